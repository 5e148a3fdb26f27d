"""Relations: distances between samples."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import differences, length
from lifelong_kd.knowledge.shape import precise, same_batch

__all__ = ["RkdDistance", "rkd_distance_loss"]


def rkd_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss between the student's and the teacher's distances of sample pairs, in units of their mean.

    ``(1 / B) sum_j huber(d_ij / mean d, D_ij / mean D)`` for sample i, with ``d_ij = ||f_i - f_j||`` of the
    student and D of the teacher, the mean over the pairs of distance greater than 0 (Park et al. 2019, arXiv
    1904.05068, equations 5 to 8, huber with threshold 1). The mean over the batch is that over all B^2 pairs,
    a sample with itself included, as in the authors' code; the paper's sum is B^2 times larger.
    mdistiller's weight is 25.

    Student and teacher may have features of different sizes. Memory is B^2 x dimensions.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, shape (batch, its dimensions); no gradient flows into them.

    Returns:
        One value a sample, shape (batch,), in at least single precision. Samples that coincide have gradient
        0.

    Raises:
        ValueError: if the shapes are not (batch, dimensions) of one batch.

    >>> import torch
    >>> features = torch.tensor([[0.0], [1.0], [3.0]])
    >>> rkd_distance_loss(2 * features, features)
    tensor([0., 0., 0.])
    """
    same_batch(student, teacher)
    d, goal = _relative(precise(student)), _relative(precise(teacher.detach()))
    return F.smooth_l1_loss(d, goal, reduction="none").sum(dim=1) / max(len(d), 1)


def _relative(features: Tensor) -> Tensor:
    """Distances of all pairs in units of the mean of those greater than 0."""
    distances = length(differences(features), dim=2)
    apart = distances > 0
    mean = distances.sum() / apart.sum().clamp_min(1)
    return distances / torch.where(mean > 0, mean, 1.0)


class RkdDistance(Knowledge):
    """Relations: distances between samples in units of their mean (RKD-D, CVPR 2019)."""

    needs = frozenset({"features"})
    mixes_samples = True

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return rkd_distance_loss(student, teacher)
