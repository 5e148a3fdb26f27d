"""Features: the Euclidean distance between them."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import length
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["FeatureL2", "batch_l2_loss", "feature_l2_loss"]


def feature_l2_loss(student: Tensor, teacher: Tensor, squared: bool = False) -> Tensor:
    """Euclidean distance between the student's and the teacher's features, or its square.

    ``||student - teacher||_2``, or ``||student - teacher||_2^2`` as in LFL (Jung et al. 2016, arXiv
    1607.00122, whose L_e has the factor 1/2: its weight halves here). Summed over the dimensions, unlike
    ``hint``.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, the same shape; no gradient flows into them.
        squared: the square of the distance instead.

    Returns:
        One value a sample, shape (batch,), in at least single precision. The gradient where the two agree is
        0.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> feature_l2_loss(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]]))
    tensor([5.])
    """
    same_shape(student, teacher, "features", "dimensions")
    difference = precise(student) - precise(teacher.detach())
    return difference.square().sum(dim=1) if squared else length(difference)


def batch_l2_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """The Euclidean distance of the whole batch as one vector, shared out over its samples.

    ``sqrt(sum_i ||student_i - teacher_i||^2)``, as in the code of PASS (Zhu et al. 2021, weight 10 on batches
    of 64 images in four rotations). A sample's share is ``B d_i^2`` over that length, so that the mean over
    the batch of B samples is it. It grows with the square root of the batch size.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, the same shape; no gradient flows into them.

    Returns:
        One value a sample, shape (batch,), in at least single precision. The gradient where the two agree is
        0.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> batch_l2_loss(torch.tensor([[3.0], [0.0]]), torch.tensor([[0.0], [4.0]])).mean()
    tensor(5.)
    """
    squares = feature_l2_loss(student, teacher, squared=True)
    whole = squares.sum()
    found = whole > 0
    return squares * torch.where(found, torch.where(found, whole, 1.0).rsqrt(), 0.0) * len(student)


class FeatureL2(Knowledge):
    """Features: Euclidean distance, its square (LFL) or that of the whole batch (PASS).

    Args:
        squared: the square of each sample's distance, as in LFL.
        whole_batch: the distance of the whole batch as one vector, as in PASS's code.
    """

    needs = frozenset({"features"})

    def __init__(self, *, squared: bool = False, whole_batch: bool = False) -> None:
        if squared and whole_batch:
            raise BadCall("squared and whole_batch exclude one another: choose one")
        self.squared = squared
        self.whole_batch = whole_batch
        self.mixes_samples = whole_batch

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        if self.whole_batch:
            return batch_l2_loss(student, teacher)
        return feature_l2_loss(student, teacher, self.squared)
