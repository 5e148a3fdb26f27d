"""Soft labels on the scale of a cross-entropy: without the factor T^2."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.options import positive
from lifelong_kd.knowledge.probability import divergence
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Ce", "ce_loss"]


def ce_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy against the teacher's softened probabilities, less the teacher's own entropy.

    ``- sum_c p_c log q_c + sum_c p_c log p_c`` with ``p = softmax(teacher / T)`` and ``q = softmax(student /
    T)``. The entropy is constant: the gradient is that of the cross-entropy, and the minimum is 0. It is
    ``kd`` divided by T^2.

    The scale of many implementations of LwF (Li and Hoiem 2016, arXiv 1606.09282), whose weights hold here
    one to one: FACIL's 10 and PyCIL's 3 at T = 2. With ``kd`` they are 10 / 4 and 3 / 4.

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape, -inf for a probability of 0; no gradient flows into them.
        temperature: T > 0; larger is softer.

    Returns:
        One value a sample, shape (batch,), in at least single precision, 0 where the two agree.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> ce_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, 0.0]]), 1.0)
    tensor([0.6931])
    """
    same_shape(student, teacher)
    log_q = F.log_softmax(precise(student) / temperature, dim=1)
    log_p = F.log_softmax(precise(teacher.detach()) / temperature, dim=1)
    return divergence(log_q, log_p)


class Ce(Knowledge):
    """Soft labels: cross-entropy at temperature T without T^2, the scale of most implementations of LwF.

    Args:
        temperature: softens both distributions; 2 in most implementations of LwF.
    """

    def __init__(self, *, temperature: float = 2.0) -> None:
        self.temperature = positive("temperature", temperature)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        return ce_loss(student, teacher, self.temperature)
