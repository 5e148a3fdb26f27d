"""Soft labels in two parts: the target class against the rest, and the rest among itself."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.options import not_negative, positive
from lifelong_kd.knowledge.probability import divergence
from lifelong_kd.knowledge.shape import precise, same_shape

__all__ = ["Dkd", "dkd_loss"]


def dkd_loss(
    student: Tensor, teacher: Tensor, temperature: float, alpha: float, beta: float, target: Tensor
) -> Tensor:
    """``T^2 (alpha TCKD + beta NCKD)``: decoupled knowledge distillation.

    With ``p`` and ``q`` the teacher's and the student's probabilities at T and t the target class, TCKD is
    the divergence between ``(p_t, 1 - p_t)`` and ``(q_t, 1 - q_t)``, NCKD that between ``p_c / (1 - p_t)``
    and ``q_c / (1 - q_t)`` over the classes c other than t (Zhao et al. 2022, arXiv 2203.08679, equation 7;
    the factor T^2 as in the authors' code, so that its weights hold one to one). ``kd`` is TCKD + (1 - p_t)
    NCKD, times T^2.

    Args:
        student: logits, shape (batch, columns), finite.
        teacher: logits, the same shape, -inf allowed in some columns; no gradient flows into them.
        temperature: T > 0; larger is softer.
        alpha: weight of TCKD.
        beta: weight of NCKD.
        target: the target column of each sample, shape (batch,), int64.

    Returns:
        One value a sample, shape (batch,), in at least single precision; 0 where there is one column only.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0, 1.0]])
    >>> dkd_loss(logits, logits, 4.0, 1.0, 8.0, torch.tensor([0]))
    tensor([0.])
    """
    same_shape(student, teacher)
    student, fixed = precise(student) / temperature, precise(teacher.detach()) / temperature
    if student.shape[1] < 2:
        return student.sum(dim=1) * 0.0
    (two_q, rest_q), (two_p, rest_p) = _parts(student, target), _parts(fixed, target)
    # A teacher that knows no class but the target has nothing to say about the others.
    rest_p = rest_p.nan_to_num(nan=-math.inf, neginf=-math.inf)
    return temperature**2 * (alpha * divergence(two_q, two_p) + beta * divergence(rest_q, rest_p))


def _parts(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the target and of all others, (batch, 2), and of each other among the others."""
    log_p = F.log_softmax(logits, dim=1)
    chosen = F.one_hot(target, logits.shape[1]).bool()
    others = log_p.masked_fill(chosen, -math.inf)
    two = torch.stack([log_p.gather(1, target[:, None])[:, 0], others.logsumexp(dim=1)], dim=1)
    return two, F.log_softmax(logits.masked_fill(chosen, -math.inf), dim=1)


class Dkd(Knowledge):
    """Soft labels in two parts, the target against the rest and the rest among itself (DKD, CVPR 2022).

    The paper's target is the label. What is compared here comes without labels, also where there are none
    (external or generated data), so the target is the class that the teacher finds most probable.

    Args:
        temperature: softens both distributions; 4 on CIFAR-100 in the authors' code.
        alpha: weight of the target against the rest; 1 in the authors' code.
        beta: weight of the rest among itself; 8 on CIFAR-100 in the authors' code, which has other values
            for some pairs of networks.
    """

    def __init__(self, *, temperature: float = 4.0, alpha: float = 1.0, beta: float = 8.0) -> None:
        self.temperature = positive("temperature", temperature)
        self.alpha = not_negative("alpha", alpha)
        self.beta = not_negative("beta", beta)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        same_shape(student, teacher)
        target = (
            teacher.detach().argmax(dim=1) if teacher.shape[1] else teacher.new_zeros(len(teacher)).long()
        )
        return dkd_loss(student, teacher, self.temperature, self.alpha, self.beta, target)
