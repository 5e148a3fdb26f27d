"""The linear head: one row a class, for all classes from the start or growing as they come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.head import Head, fresh_rows, with_rows

__all__ = ["LinearHead", "linear"]


Init = Literal["torch", "xavier"]


def linear(
    feature_size: int, classes: int, *, grow: bool = False, bias: bool = True, initialisation: Init = "torch"
) -> LinearHead:
    """Linear head: one weight vector and bias a class, logits = W f + b.

    Args:
        grow: start without columns and grow to the largest class seen plus one. Otherwise all classes have their
            columns from the start.
        bias: whether there is a bias.
        initialisation: ``torch`` draws rows as ``torch.nn.Linear`` draws its own; ``xavier`` uniformly in +-sqrt(6 /
            (features + classes of the stream)), biases 0 (Glorot and Bengio 2010).

    Raises:
        BadCall: for an unknown initialisation.

    >>> head = linear(8, 10, grow=True)
    >>> head.width, head.grow([0, 1], 0), head.width
    (0, True, 2)
    """
    if initialisation not in ("torch", "xavier"):
        raise BadCall(f"initialisation must be 'torch' or 'xavier', found {initialisation!r}.")
    bound = math.sqrt(6 / (feature_size + classes)) if initialisation == "xavier" else None
    return LinearHead(feature_size, classes, grow=grow, bias=bias, bound=bound)


class LinearHead(Head):
    """Features (B, D) to logits (B, width): ``weight`` is (width, D), ``bias`` (width) or ``None``.

    New weights are uniform in +-``bound`` with biases of 0, or drawn as torch does if it is ``None``.
    """

    def __init__(
        self, feature_size: int, classes: int, *, grow: bool, bias: bool, bound: float | None = None
    ) -> None:
        super().__init__()
        self.feature_size = feature_size
        self.limit = None if grow else classes
        self.bound = bound
        weight, offset = self._fresh(0 if grow else classes, bias=bias)
        self.weight = nn.Parameter(weight)
        self.bias = None if offset is None else nn.Parameter(offset)

    def _fresh(self, rows: int, *, bias: bool) -> tuple[Tensor, Tensor | None]:
        if self.bound is None:
            return fresh_rows(rows, self.feature_size, bias=bias)
        weight = torch.empty(rows, self.feature_size).uniform_(-self.bound, self.bound)
        return weight, torch.zeros(rows) if bias else None

    @property
    def width(self) -> int:
        return len(self.weight)

    def grow(self, classes: Sequence[int], label: int) -> bool:
        missing = self.rows_needed(classes, limit=self.limit) - self.width
        if missing <= 0:
            return False
        weight, offset = self._fresh(missing, bias=self.bias is not None)
        self.weight = with_rows(self.weight, weight)
        if self.bias is not None and offset is not None:
            self.bias = with_rows(self.bias, offset)
        return True

    @torch.no_grad()
    def reset_parameters(self) -> None:
        weight, offset = self._fresh(self.width, bias=self.bias is not None)
        self.weight.copy_(weight)
        if self.bias is not None and offset is not None:
            self.bias.copy_(offset)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, self.bias)
