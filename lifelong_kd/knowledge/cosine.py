"""Features: the angle between them."""

from __future__ import annotations

from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import unit
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Cosine", "cosine_loss"]


def cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine of the angle between the student's and the teacher's features.

    ``1 - <u, v> = ||u - v||^2 / 2`` with u and v the features at length 1, computed in the second form, which
    is an exact 0 at agreement. It is the less-forget constraint of LUCIR (Hou et al. 2019, equation 6; weight
    5 sqrt(old / new) on CIFAR-100, on features before the last ReLU) and POD-flat of PODNet (Douillard et al.
    2020, arXiv 2004.13513; weight 1 in the authors' code). Both take the mean over the batch: their weights
    hold one to one.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, the same shape; no gradient flows into them.

    Returns:
        One value a sample between 0 and 2, shape (batch,), in at least single precision. Features of length 0
        have no direction: they count 0 against one another, 1/2 against any other, with gradient 0.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> cosine_loss(torch.tensor([[0.0, 2.0], [2.0, 0.0]]), torch.tensor([[3.0, 0.0], [3.0, 0.0]]))
    tensor([1., 0.])
    """
    same_shape(student, teacher, "features", "dimensions")
    return (unit(precise(student)) - unit(precise(teacher.detach()))).square().sum(dim=1) / 2


class Cosine(Knowledge):
    """Features: one minus their cosine (LUCIR's less-forget constraint, PODNet's POD-flat)."""

    needs = frozenset({"features"})

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return cosine_loss(student, teacher)
