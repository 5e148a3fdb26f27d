"""Maps: pooled outputs of every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import length, unit
from lifelong_kd.knowledge.options import chosen
from lifelong_kd.knowledge.stages import paired

__all__ = ["Pod", "Pool", "pod_loss"]

Pool = Literal["spatial", "width", "height", "gap", "channel", "pixel"]

SUMMED: dict[str, list[tuple[int, ...]]] = {
    "spatial": [(3,), (2,)],
    "width": [(3,)],
    "height": [(2,)],
    "gap": [(2, 3)],
    "channel": [(1,)],
    "pixel": [()],
}
"""The dimensions that each way of pooling sums over; more than one entry: one vector behind the other."""


def pod_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], pool: Pool = "spatial") -> Tensor:
    """Distance between the student's and the teacher's pooled outputs, mean over the stages.

    Of each stage ``|| P(student) / ||P(student)|| - P(teacher) / ||P(teacher)|| ||_2``, where P squares the
    map, sums it as ``pool`` says, and lays the sums out as one vector (Douillard et al. 2020, arXiv
    2004.13513, equations 2 to 5):

    * ``spatial``: over the width and over the height, one behind the other: the paper's choice;
    * ``width``, ``height``: over the width or the height only;
    * ``gap``: over both; ``channel``: over the channels; ``pixel``: over nothing.

    Squares, length 1, distances without a square and the means over stages and samples are those of the
    authors' code, whose weights hold one to one: 3 times sqrt(classes / new classes), beside POD-flat
    (``cosine``) of weight 1. On maps of (height, width) that code's "width" and "height" are the other way
    round; "spatial" does not depend on it.

    Args:
        student: one map a stage, (batch, channels, height, width), or (batch, channels) for 1 x 1.
        teacher: one map a stage, of the same shapes; no gradient flows into them.
        pool: what is summed.

    Returns:
        One value a sample, shape (batch,), in at least single precision. The gradient where the two agree is
        0.

    Raises:
        ValueError: if stages or shapes differ.

    >>> import torch
    >>> pod_loss([torch.tensor([[2.0, 0.0]])], [torch.tensor([[0.0, 1.0]])])
    tensor([1.4142])
    """
    pairs = paired(student, teacher)
    return torch.stack([length(_pooled(s, pool) - _pooled(t, pool)) for s, t in pairs]).mean(dim=0)


def _pooled(values: Tensor, pool: Pool) -> Tensor:
    squares = values.square()
    sums = [squares.sum(dim=dims) if dims else squares for dims in SUMMED[pool]]
    return unit(torch.cat([each.flatten(1) for each in sums], dim=1))


class Pod(Knowledge):
    """Maps: outputs of every stage, squared, pooled and at length 1 (PODNet, ECCV 2020).

    Args:
        pool: what is summed: "spatial" (PODNet: width and height, each), "width", "height", "gap" (both at
        once),
            "channel", "pixel" (nothing).
    """

    needs = frozenset({"maps"})

    def __init__(self, *, pool: Pool = "spatial") -> None:
        chosen("pool", pool, get_args(Pool))
        self.pool: Pool = pool

    def __call__(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        return pod_loss(student, teacher, self.pool)
