"""Soft labels as LwF writes them: probabilities raised to the power 1/T."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.options import positive
from lifelong_kd.knowledge.probability import divergence
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["LwfOriginal", "lwf_original_loss"]


def lwf_original_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy between probabilities raised to 1/T and renormalised, less the teacher's own entropy.

    ``- sum_c y'_c log yhat'_c + sum_c y'_c log y'_c`` with ``y'_c = y_c^(1/T) / sum_j y_j^(1/T)``, ``y`` the
    teacher's and ``yhat`` the student's probabilities at T = 1 (Li and Hoiem 2016, arXiv 1606.09282,
    equations 2 to 4). The power is taken of logarithms, so that no probability underflows to 0 before it.

    Since softmax(z)^(1/T), renormalised, is softmax(z / T), this equals ``ce`` at the same T, and ``kd``
    divided by T^2. It stands here as the paper has it, so that this can be seen. The paper's weight is 1 at T
    = 2.

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape, -inf for a probability of 0; no gradient flows into them.
        temperature: T > 0; larger is softer.

    Returns:
        One value a sample, shape (batch,), in at least single precision, 0 where the two agree.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> lwf_original_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, 0.0]]), 1.0)
    tensor([0.6931])
    """
    same_shape(student, teacher)
    return divergence(_raised(precise(student), temperature), _raised(precise(teacher.detach()), temperature))


def _raised(logits: Tensor, temperature: float) -> Tensor:
    """The logarithm of the probabilities raised to 1/T and divided by their sum."""
    powers = F.log_softmax(logits, dim=1) / temperature
    return powers - powers.logsumexp(dim=1, keepdim=True)


class LwfOriginal(Knowledge):
    """Soft labels: LwF's own formula with probabilities raised to 1/T (Li and Hoiem 2016), equal to ce.

    Args:
        temperature: the power is 1/T; the paper has 2.
    """

    def __init__(self, *, temperature: float = 2.0) -> None:
        self.temperature = positive("temperature", temperature)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return lwf_original_loss(student, teacher, self.temperature)
