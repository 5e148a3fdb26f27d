"""Correlation instead of divergence: what matters is the order and spacing of probabilities."""

from __future__ import annotations

from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import unit
from lifelong_kd.knowledge.options import not_negative, positive
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Dist", "dist_loss"]


def dist_loss(student: Tensor, teacher: Tensor, temperature: float, beta: float, gamma: float) -> Tensor:
    """``T^2 (beta (1 - rho of classes) + gamma (1 - rho of samples))``, rho Pearson's correlation.

    With ``p`` and ``q`` the teacher's and the student's probabilities at T: between classes,
    ``1 - rho(q_i, p_i)`` of each sample's row i; within classes, the mean over the classes c of
    ``1 - rho(q_.c, p_.c)`` of the columns along the batch (Huang et al. 2022, arXiv 2205.10536, equations 9 and
    10; the factor T^2 as in the authors' code). Since ``1 - rho = ||u - v||^2 / 2`` for the centred vectors u
    and v at length 1, a sample's share of a column is its own square, times the batch size, so that the mean
    over the batch is the paper's loss and each share is at least 0.

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape, -inf allowed in some columns; no gradient flows into them.
        temperature: T > 0; larger is softer.
        beta: weight of the correlation over the classes.
        gamma: weight of the correlation along the batch.

    Returns:
        One value a sample, shape (batch,), in at least single precision. A vector without variance correlates
        with nothing: it counts 0 against another such, 1/2 against any other.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]])
    >>> dist_loss(logits, logits, 1.0, 1.0, 1.0)
    tensor([0., 0.])
    """
    same_shape(student, teacher)
    q = (precise(student) / temperature).softmax(dim=1)
    p = (precise(teacher.detach()) / temperature).softmax(dim=1)
    batch, columns = max(q.shape[0], 1), max(q.shape[1], 1)
    inter = (_centred(q, 1) - _centred(p, 1)).square().sum(dim=1) / 2
    intra = (_centred(q, 0) - _centred(p, 0)).square().sum(dim=1) / 2 * batch / columns
    return temperature**2 * (beta * inter + gamma * intra)


def _centred(probabilities: Tensor, dim: int) -> Tensor:
    """The vectors along ``dim`` less their mean, at length 1."""
    number = max(probabilities.shape[dim], 1)
    return unit(probabilities - probabilities.sum(dim=dim, keepdim=True) / number, dim)


class Dist(Knowledge):
    """Correlation of probabilities over the classes and along the batch (DIST, NeurIPS 2022).

    Args:
        temperature: softens both distributions; 1 in the authors' code.
        beta: weight of the correlation over the classes; 1 in the authors' code.
        gamma: weight of the correlation along the batch; 1 in the authors' code.
    """

    mixes_samples = True

    def __init__(self, *, temperature: float = 1.0, beta: float = 1.0, gamma: float = 1.0) -> None:
        self.temperature = positive("temperature", temperature)
        self.beta = not_negative("beta", beta)
        self.gamma = not_negative("gamma", gamma)
        self.mixes_samples = self.gamma > 0

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return dist_loss(student, teacher, self.temperature, self.beta, self.gamma)
