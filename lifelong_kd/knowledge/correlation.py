"""Relations: a Gaussian kernel between samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import products, unit
from lifelong_kd.knowledge.options import positive
from lifelong_kd.knowledge.shape import precise, same_batch

__all__ = ["Correlation", "correlation_loss"]


def correlation_loss(student: Tensor, teacher: Tensor, gamma: float, order: int) -> Tensor:
    """Mean squared difference of the student's and the teacher's correlations with the other samples.

    ``(1 / B) sum_j (k_ij - K_ij)^2`` for sample i, with the student's
    ``k_ij = exp(-2 gamma) sum_p (2 gamma)^p / p! <f_i, f_j>^p``, p from 0 to the order, the Taylor expansion of
    the Gaussian kernel ``exp(-gamma ||f_i - f_j||^2)`` of features at length 1, and K the teacher's (Peng et al.
    2019, arXiv 1904.01802). The mean over the batch is the paper's ``(1 / B^2) ||k - K||^2``: its weight holds
    one to one.

    Student and teacher may have features of different sizes.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, shape (batch, its dimensions); no gradient flows into them.
        gamma: width of the kernel; larger is narrower.
        order: the highest power of the expansion.

    Returns:
        One value a sample, shape (batch,), in at least single precision. Features of length 0 have gradient
        0.

    Raises:
        ValueError: if the shapes are not (batch, dimensions) of one batch.

    >>> import torch
    >>> features = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    >>> correlation_loss(3 * features, features, 0.4, 2).max() < 1e-12
    tensor(True)
    """
    same_batch(student, teacher)
    k, goal = (_kernel(precise(each), gamma, order) for each in (student, teacher.detach()))
    return (k - goal).square().sum(dim=1) / max(len(k), 1)


def _kernel(features: Tensor, gamma: float, order: int) -> Tensor:
    cosines = products(unit(features))
    # Horner's scheme: no power of 0 has to be differentiated.
    total = torch.zeros_like(cosines)
    for power in range(order, -1, -1):
        total = total * cosines + (2 * gamma) ** power / math.factorial(power)
    return math.exp(-2 * gamma) * total


class Correlation(Knowledge):
    """Relations: a Gaussian kernel between samples (correlation congruence, ICCV 2019).

    Args:
        gamma: width of the kernel; the paper has 0.4.
        order: the highest power of its Taylor expansion; the paper has 2.
    """

    needs = frozenset({"features"})
    mixes_samples = True

    def __init__(self, *, gamma: float = 0.4, order: int = 2) -> None:
        if order < 1:
            raise BadCall(f"order must be at least 1, got {order}")
        self.gamma = positive("gamma", gamma)
        self.order = order

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return correlation_loss(student, teacher, self.gamma, self.order)
