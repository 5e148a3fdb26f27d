"""Logits themselves: the absolute distance."""

from __future__ import annotations

from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["L1", "l1_loss"]


def l1_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over the columns of the absolute difference of logits.

    ``(1 / C) * sum_c |student_c - teacher_c|``, the hard distillation of R-DFCIL (Gao et al. 2022, arXiv
    2203.13104), whose code takes the mean over all elements, so that its weights hold one to one. A teacher's
    column that is NaN is one the teacher did not have yet; it is left out.

    Args:
        student: logits, shape (batch, columns).
        teacher: logits, the same shape; no gradient flows into them.

    Returns:
        One value a sample, shape (batch,), in at least single precision; 0 for a sample of which no column is
        known.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> l1_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([1.5000])
    """
    same_shape(student, teacher)
    student, fixed = precise(student), precise(teacher.detach())
    known = ~fixed.isnan()
    difference = (student - fixed.nan_to_num()) * known
    return difference.abs().sum(dim=1) / known.sum(dim=1).clamp_min(1)


class L1(Knowledge):
    """Logits: mean absolute difference over the columns (R-DFCIL's hard distillation)."""

    skips_unknown = True

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return l1_loss(student, teacher)
