"""Relations: which samples excite alike."""

from __future__ import annotations

from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import products, unit
from lifelong_kd.knowledge.shape import precise, same_batch

__all__ = ["Similarity", "similarity_loss"]


def similarity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance between the rows of the student's and the teacher's similarity matrices.

    ``(1 / B) ||g_i - G_i||^2`` for sample i, with ``g`` the inner products ``f_i . f_j`` of the student's
    features, each row at length 1, and G the teacher's. The mean over the batch is
    ``(1 / B^2) ||g - G||_F^2`` (Tung and Mori 2019, arXiv 1907.09682, equations 2 to 4): weights hold one to
    one; mdistiller's is 3000.

    Student and teacher may have features of different sizes.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, shape (batch, its dimensions); no gradient flows into them.

    Returns:
        One value a sample, shape (batch,), in at least single precision. Features of length 0 have gradient
        0.

    Raises:
        ValueError: if the shapes are not (batch, dimensions) of one batch.

    >>> import torch
    >>> similarity_loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([0., 0.])
    """
    same_batch(student, teacher)
    g, goal = unit(products(precise(student))), unit(products(precise(teacher.detach())))
    return (g - goal).square().sum(dim=1) / max(len(g), 1)


class Similarity(Knowledge):
    """Relations: inner products between samples, row by row (similarity-preserving, ICCV 2019)."""

    needs = frozenset({"features"})
    mixes_samples = True

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return similarity_loss(student, teacher)
