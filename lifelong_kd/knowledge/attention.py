"""Maps: where a stage is active."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import unit
from lifelong_kd.knowledge.stages import need_places, paired

__all__ = ["Attention", "attention_loss"]


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], power: float = 2.0) -> Tensor:
    """Mean squared difference of the student's and the teacher's activation maps, summed over the stages.

    Of each stage ``(1 / HW) || Q_s / ||Q_s|| - Q_t / ||Q_t|| ||^2`` with ``Q = sum_c |A_c|^power`` laid out
    as a vector (Zagoruyko and Komodakis 2017, arXiv 1612.03928, equation 2). The paper prints the distance;
    the authors' code and mdistiller take the mean of the squares over places and samples, as here, so that
    their weight of 1000 holds one to one.

    Channels may differ between student and teacher; height and width may not. A stage of one place adds 0.

    Args:
        student: one map a stage, (batch, channels, height, width).
        teacher: one map a stage, (batch, its channels, height, width); no gradient flows into them.
        power: of the activations' sizes, at least 1; larger looks at the strongest.

    Returns:
        One value a sample, shape (batch,), in at least single precision. A map of zeros has gradient 0.

    Raises:
        ValueError: if stages or shapes differ, or no stage has more than one place.

    >>> import torch
    >>> student, teacher = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 5.0]]]])
    >>> attention_loss([student], [teacher])
    tensor([1.])
    """
    pairs = paired(student, teacher, channels=False)
    need_places(pairs, "attention")
    gaps = [(_where(s, power) - _where(t, power)).square() for s, t in pairs]
    return torch.stack([gap.sum(dim=1) / max(gap.shape[1], 1) for gap in gaps]).sum(dim=0)


def _where(values: Tensor, power: float) -> Tensor:
    return unit(values.abs().pow(power).sum(dim=1).flatten(1))


class Attention(Knowledge):
    """Maps: where each stage is active (attention transfer, ICLR 2017).

    Args:
        power: of the activations' sizes, at least 1; the paper has 2.
    """

    needs = frozenset({"maps"})

    def __init__(self, *, power: float = 2.0) -> None:
        if not 1 <= power < math.inf:
            raise BadCall(f"power must be at least 1 and finite, got {power}")
        self.power = power

    def __call__(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        return attention_loss(student, teacher, self.power)
