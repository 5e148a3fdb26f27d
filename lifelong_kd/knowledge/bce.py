"""Sigmoid outputs: each class its own yes-or-no question."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Bce", "bce_loss"]


def bce_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Binary cross-entropy between sigmoid outputs, less the teacher's own entropy, summed over classes.

    ``sum_c p_c log(p_c / q_c) + (1 - p_c) log((1 - p_c) / (1 - q_c))`` with ``p = sigmoid(teacher)`` and
    ``q = sigmoid(student)``. This is the distillation term of iCaRL (Rebuffi et al. 2017, arXiv 1611.07725,
    algorithm 3) up to the teacher's entropy, which is constant: the gradient is the same and the minimum is 0.

    Args:
        student: logits, shape (batch, columns).
        teacher: logits, the same shape, -inf where it says no for certain; no gradient flows into them.

    Returns:
        One value a sample, shape (batch,), in at least single precision.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> bce_loss(torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, -1.0]]))
    tensor([0.])
    """
    same_shape(student, teacher)
    student, fixed = precise(student), precise(teacher.detach())
    # The same answer as -inf, without the product of infinity and 0.
    fixed = fixed.clamp_min(torch.finfo(fixed.dtype).min)
    target = fixed.sigmoid()
    cross = F.binary_cross_entropy_with_logits(student, target, reduction="none")
    entropy = F.binary_cross_entropy_with_logits(fixed, target, reduction="none")
    return (cross - entropy).sum(dim=1)


class Bce(Knowledge):
    """Sigmoid outputs: binary cross-entropy per class, summed over classes (iCaRL, LwF.MC)."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return bce_loss(student, teacher)
