"""Soft labels: the divergence between softened class probabilities."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.options import positive
from lifelong_kd.knowledge.probability import divergence
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Kd", "kd_loss"]


def kd_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the teacher's to the student's softened probabilities, times T^2.

    ``T^2 * sum_c p_c * (log p_c - log q_c)`` with ``p = softmax(teacher / T)`` and ``q = softmax(student / T)``.
    The factor T^2 keeps the size of the gradient when T changes (Hinton, Vinyals, Dean 2015, arXiv 1503.02531,
    section 2: the gradients of soft targets scale as 1/T^2). A weight from a paper without the factor is
    divided by T^2 here, or kept with ``ce``.

    A teacher's logit of -inf is a class to which it gives no probability at any temperature. Padded with such
    columns it teaches the student that its input is none of the new classes (van de Ven et al. 2022, Nature
    Machine Intelligence 4, whose code sets the teacher's probabilities of new classes to 0).

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape, -inf allowed in some columns; no gradient flows into them.
        temperature: T > 0; larger is softer.

    Returns:
        One value a sample, shape (batch,), in at least single precision, 0 where the two agree.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0]])
    >>> kd_loss(logits, logits, 2.0)
    tensor([0.])
    """
    same_shape(student, teacher)
    log_q = F.log_softmax(precise(student) / temperature, dim=1)
    log_p = F.log_softmax(precise(teacher.detach()) / temperature, dim=1)
    return divergence(log_q, log_p) * temperature**2


class Kd(Knowledge):
    """Soft labels: T^2 KL(teacher || student) at temperature T (Hinton et al. 2015).

    Args:
        temperature: softens both distributions; 2 in LwF, iCaRL-style methods and most of the field.
    """

    def __init__(self, *, temperature: float = 2.0) -> None:
        self.temperature = positive("temperature", temperature)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return kd_loss(student, teacher, self.temperature)
