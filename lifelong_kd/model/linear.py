"""The linear head: one row a class, for all classes from the start or growing as they come."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.model.head import Head, fresh_rows, with_rows

__all__ = ["LinearHead", "linear"]


def linear(feature_size: int, classes: int, *, grow: bool = False, bias: bool = True) -> LinearHead:
    """Linear head: one weight vector and bias a class, logits = W f + b.

    Args:
        grow: start without columns and grow to the largest class seen plus one, new rows initialised as
            ``torch.nn.Linear`` initialises its own. Otherwise all classes have their columns from the start.
        bias: whether there is a bias.

    >>> head = linear(8, 10, grow=True)
    >>> head.width, head.grow([0, 1], 0), head.width
    (0, True, 2)
    """
    return LinearHead(feature_size, classes, grow=grow, bias=bias)


class LinearHead(Head):
    """Features (B, D) to logits (B, width): ``weight`` is (width, D), ``bias`` (width) or ``None``."""

    def __init__(self, feature_size: int, classes: int, *, grow: bool, bias: bool) -> None:
        super().__init__()
        self.feature_size = feature_size
        self.limit = None if grow else classes
        weight, offset = fresh_rows(0 if grow else classes, feature_size, bias=bias)
        self.weight = nn.Parameter(weight)
        self.bias = None if offset is None else nn.Parameter(offset)

    @property
    def width(self) -> int:
        return len(self.weight)

    def grow(self, classes: Sequence[int], label: int) -> bool:
        missing = self.rows_needed(classes, limit=self.limit) - self.width
        if missing <= 0:
            return False
        weight, offset = fresh_rows(missing, self.feature_size, bias=self.bias is not None)
        self.weight = with_rows(self.weight, weight)
        if self.bias is not None and offset is not None:
            self.bias = with_rows(self.bias, offset)
        return True

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, self.bias)
