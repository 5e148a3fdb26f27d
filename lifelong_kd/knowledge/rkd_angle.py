"""Relations: angles between samples."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import products, unit
from lifelong_kd.knowledge.shape import precise, same_batch

__all__ = ["RkdAngle", "rkd_angle_loss"]

ELEMENTS = 2**24
"""How many numbers the angles of one chunk of vertices may have: 64 MiB in single precision."""


def rkd_angle_loss(student: Tensor, teacher: Tensor, elements: int = ELEMENTS) -> Tensor:
    """Huber loss between the student's and the teacher's cosines of the angles that sample triples form.

    ``(1 / B^2) sum_jk huber(a_ijk, A_ijk)`` for sample i, with ``a_ijk = <f_j - f_i, f_k - f_i>`` of the
    differences at length 1, the angle at vertex i, of the student and A of the teacher (Park et al. 2019,
    arXiv 1904.05068, equations 9 to 11, huber with threshold 1). The mean over the batch is that over all B^3
    triples, those with equal samples included, as in the authors' code. mdistiller's weight is 50;
    R-DFCIL (arXiv 2203.13104) uses it on new data.

    Student and teacher may have features of different sizes. Time is B^3 x dimensions. The angles of all
    vertices would take B^3 numbers; those of one chunk of vertices are computed at a time, and again on the
    way back.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, shape (batch, its dimensions); no gradient flows into them.
        elements: numbers in memory at a time, about.

    Returns:
        One value a sample, shape (batch,), in at least single precision. Samples that coincide have gradient
        0.

    Raises:
        ValueError: if the shapes are not (batch, dimensions) of one batch.

    >>> import torch
    >>> features = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> rkd_angle_loss(2 * features, features)
    tensor([0., 0., 0.])
    """
    same_batch(student, teacher)
    student, fixed = precise(student), precise(teacher.detach())
    batch = len(student)
    at_once = max(elements // max(batch * max(batch, student.shape[1], fixed.shape[1]), 1), 1)
    if batch <= at_once:
        return _at_vertices(student, fixed, 0, batch)
    parts = [
        checkpoint(
            _at_vertices,
            student,
            fixed,
            first,
            first + at_once,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for first in range(0, batch, at_once)
    ]
    return torch.cat(parts)


def _at_vertices(student: Tensor, teacher: Tensor, first: int, last: int) -> Tensor:
    """The losses of the samples from ``first`` to before ``last``."""
    a, goal = _cosines(student, first, last), _cosines(teacher, first, last)
    return F.smooth_l1_loss(a, goal, reduction="none").sum(dim=(1, 2)) / max(len(student), 1) ** 2


def _cosines(features: Tensor, first: int, last: int) -> Tensor:
    """``[i, j, k]``: the cosine of the angle at vertex i between j and k, shape (vertices, batch, batch)."""
    return products(unit(features[None, :, :] - features[first:last, None, :], dim=2))


class RkdAngle(Knowledge):
    """Relations: angles between samples (RKD-A, CVPR 2019; R-DFCIL on new data)."""

    needs = frozenset({"features"})
    mixes_samples = True

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return rkd_angle_loss(student, teacher)
