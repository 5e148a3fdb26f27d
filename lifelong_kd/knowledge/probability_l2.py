"""Probabilities: the Euclidean distance between them."""

from __future__ import annotations

import math

from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import length
from lifelong_kd.knowledge.options import positive
from lifelong_kd.knowledge.probability import log_probabilities
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["ProbabilityL2", "probability_l2_loss"]


def probability_l2_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Euclidean distance between the student's and the teacher's probabilities.

    ``|| softmax(student / T) - softmax(teacher / T) ||_2``, the function distance of FDR (Benjamin, Rolnick,
    Kording 2019, arXiv 1805.08289) as used in the DER papers' comparison, where T = 1 and the mean is taken
    over the samples of the memory: their weights hold one to one. It lies between 0 and sqrt(2).

    A teacher's column that is NaN is one the teacher did not have yet. Both softmaxes are then taken over the
    columns it had: the student's later classes neither gain nor lose by it.

    Args:
        student: logits, shape (batch, columns).
        teacher: logits, the same shape; no gradient flows into them.
        temperature: T > 0; larger is softer.

    Returns:
        One value a sample, shape (batch,), in at least single precision; 0 for a sample of which no column is
        known. The gradient where the two agree is 0.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> probability_l2_loss(torch.tensor([[99.0, 0.0]]), torch.tensor([[0.0, 99.0]]))
    tensor([1.4142])
    """
    same_shape(student, teacher)
    student, fixed = precise(student), precise(teacher.detach())
    # A column padded with -inf is known to have probability 0; the one that is NaN is not known.
    known = ~fixed.isnan()
    p = log_probabilities(fixed / temperature, known & (fixed > -math.inf)).exp()
    q = log_probabilities(student / temperature, known).exp()
    return length(q - p)


class ProbabilityL2(Knowledge):
    """Probabilities: Euclidean distance between softmax outputs (FDR, function distance regularisation).

    Args:
        temperature: softens both distributions; 1 in FDR.
    """

    skips_unknown = True

    def __init__(self, *, temperature: float = 1.0) -> None:
        self.temperature = positive("temperature", temperature)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return probability_l2_loss(student, teacher, self.temperature)
