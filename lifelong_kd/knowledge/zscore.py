"""Soft labels of standardised logits: their shape, not their location and spread."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import length
from lifelong_kd.knowledge.options import not_negative, positive
from lifelong_kd.knowledge.probability import divergence, known_columns, log_probabilities
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Zscore", "zscore_inter_loss", "zscore_intra_loss"]

EPSILON = 1e-7
"""Added to the standard deviation, as in the authors' code."""


def zscore_inter_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``T^2 KL`` between the softened probabilities of logits standardised over the classes.

    ``z = (logits - mean) / (standard deviation + 1e-7)`` of each sample, with C - 1 in the deviation; then
    ``T^2 sum_c p_c (log p_c - log q_c)`` with ``p = softmax(z_teacher / T)`` and
    ``q = softmax(z_student / T)`` (Sun et al. 2024, arXiv 2403.01427, algorithm 1; the inter-class part of LKD,
    Gao et al., AAAI 2025). A student whose logits are the teacher's, shifted and scaled, has nothing to learn:
    it is 0 there as well. Of two columns nothing is left but which one is larger.

    Columns of the teacher that are NaN or -inf are classes it does not have. They enter the student's mean
    and deviation but neither softmax: this is how LKD compares a student of old and new classes with a
    teacher of the old ones.

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape; no gradient flows into them.
        temperature: T > 0; larger is softer.

    Returns:
        One value a sample, shape (batch,), in at least single precision; 0 for a sample of which no column is
        known.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0, 1.0]])
    >>> bool(zscore_inter_loss(3 * logits + 5, logits, 2.0) < 1e-6)
    True
    """
    same_shape(student, teacher)
    student, fixed = precise(student), precise(teacher.detach())
    known = known_columns(fixed)
    z, goal = _standardised(student, torch.ones_like(known), 1), _standardised(fixed, known, 1)
    log_q, log_p = (log_probabilities(each / temperature, known) for each in (z, goal))
    return divergence(log_q, log_p) * temperature**2


def zscore_intra_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The same with the roles of classes and samples exchanged: each class's logits along the batch.

    For each class c, logits are standardised and softened along the batch, giving ``p_c(i)`` and ``q_c(i)``
    over the samples i; the loss is ``(T^2 / C) sum_c sum_i p_c(i) (log p_c(i) - log q_c(i))`` (the
    intra-class part of LKD, Gao et al., AAAI 2025; its code takes the mean over the classes). A sample's
    share is ``B (T^2 / C) sum_c [p (log p - log q) - p + q]``, whose mean over the batch of B samples is that
    loss: the added parts sum to 0, and make every share at least 0.

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape; NaN or -inf where a class is not known; no gradient flows into them.
        temperature: T > 0; larger is softer.

    Returns:
        One value a sample, shape (batch,), in at least single precision; 0 for a batch of one.

    Raises:
        ValueError: if the shapes differ.
    """
    same_shape(student, teacher)
    student, fixed = precise(student), precise(teacher.detach())
    known = known_columns(fixed)
    z, goal = _standardised(student, known, 0), _standardised(fixed, known, 0)
    log_q, log_p = (log_probabilities(each / temperature, known, dim=0) for each in (z, goal))
    p, q = log_p.exp(), log_q.exp()
    gap = log_p.masked_fill(~known, 0.0) - log_q.masked_fill(~known, 0.0)
    classes = known.any(dim=0).sum().clamp_min(1)
    return (p * gap - p + q).sum(dim=1) * len(student) / classes * temperature**2


def _standardised(logits: Tensor, known: Tensor, dim: int) -> Tensor:
    """Mean 0 and deviation 1 along ``dim`` over the known entries; 0 where they are all the same."""
    values = logits.masked_fill(~known, 0.0)
    number = known.sum(dim=dim, keepdim=True, dtype=logits.dtype)
    mean = values.sum(dim=dim, keepdim=True) / number.clamp_min(1)
    centred = (values - mean) * known
    deviation = length(centred, dim, keepdim=True) / (number - 1).clamp_min(1).sqrt()
    # Rounding of equal logits must not be blown up to a deviation of 1.
    flat = deviation <= 4 * mean.abs() * torch.finfo(logits.dtype).eps
    return (centred / (deviation + EPSILON)).masked_fill(flat, 0.0)


class Zscore(Knowledge):
    """Soft labels of logits standardised over the classes (logit standardisation, CVPR 2024; LKD, AAAI 2025).

    Args:
        temperature: softens both distributions; 2 in LKD's code.
        intra: weight of LKD's second part, each class's logits standardised along the batch; 0 leaves it out.
            LKD's code weighs the parts 2 l / (1 + l) and 2 / (1 + l) for its option l: a term's weight of
            2 l / (1 + l) with intra = 1 / l.
    """

    skips_unknown = True

    def __init__(self, *, temperature: float = 2.0, intra: float = 0.0) -> None:
        self.temperature = positive("temperature", temperature)
        self.intra = not_negative("intra", intra)
        self.mixes_samples = self.intra > 0

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        inter = zscore_inter_loss(student, teacher, self.temperature)
        if self.intra == 0:
            return inter
        return inter + self.intra * zscore_intra_loss(student, teacher, self.temperature)
