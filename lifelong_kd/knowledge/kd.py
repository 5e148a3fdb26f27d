"""Soft labels: the divergence between softened class probabilities."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Kd", "kd_loss"]


def kd_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the teacher's to the student's softened probabilities, times T^2.

    ``T^2 * sum_c p_c * (log p_c - log q_c)`` with ``p = softmax(teacher / T)`` and ``q = softmax(student / T)``.
    The factor T^2 keeps the size of the gradient when T changes (Hinton, Vinyals, Dean 2015, arXiv 1503.02531,
    section 2: the gradients of soft targets scale as 1/T^2).

    Args:
        student: logits, shape (batch, columns).
        teacher: logits, the same shape; no gradient flows into them.
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
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1) * temperature**2


class Kd(Knowledge):
    """Soft labels: T^2 KL(teacher || student) at temperature T (Hinton et al. 2015).

    Args:
        temperature: softens both distributions; 2 in LwF, iCaRL-style methods and most of the field.
    """

    def __init__(self, *, temperature: float = 2.0) -> None:
        if not 0 < temperature < math.inf:
            raise BadCall(f"temperature must be greater than 0 and finite, got {temperature}")
        self.temperature = temperature

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return kd_loss(student, teacher, self.temperature)
