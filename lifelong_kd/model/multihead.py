"""One head a task label, their logits side by side in one row of columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.head import Head, fresh_rows, with_rows

__all__ = ["ABSENT", "MultiHead", "multihead"]

ABSENT = -8192.0
"""The logit of a column below ``width`` that no head has: exact in every precision, and 0 after a softmax."""


def multihead(feature_size: int, classes: int, *, bias: bool = True) -> MultiHead:
    """Multi-head: a linear head of its own for each task label, for task-incremental streams.

    The logits of all heads stand side by side, each at the columns of its classes; which of them a sample may use
    is decided by who knows its label. It starts empty and grows label by label, so that the number of classes
    (``classes``) is only a bound.

    Args:
        bias: whether the heads have biases.

    >>> head = multihead(8, 10)
    >>> head.grow([0, 1], 0), head.grow([2, 3], 1), head(torch.ones(5, 8)).shape
    (True, True, torch.Size([5, 4]))
    """
    return MultiHead(feature_size, classes, bias=bias)


class MultiHead(Head):
    """Features (B, D) to logits (B, width): the largest class so far plus one; columns of no head are ``ABSENT``.

    ``weight["3"]`` is (classes of label 3, D), ``bias["3"]`` likewise; ``columns["3"]`` says which classes its rows
    are. ``place`` (width) is where each column's logit stands among all rows, behind them all if no head has it.
    """

    place: Tensor
    like: Tensor

    def __init__(self, feature_size: int, classes: int, *, bias: bool) -> None:
        super().__init__()
        self.feature_size = feature_size
        self.limit = classes
        self.weight = nn.ParameterDict()
        self.bias = nn.ParameterDict() if bias else None
        self.columns: dict[str, list[int]] = {}
        self.register_buffer("place", torch.empty(0, dtype=torch.int64))
        # Tells an empty head the precision and device that it was moved to.
        self.register_buffer("like", torch.empty(0), persistent=False)

    @property
    def width(self) -> int:
        return len(self.place)

    def grow(self, classes: Sequence[int], label: int) -> bool:
        self.rows_needed(classes, limit=self.limit)
        key = str(label)
        for other, columns in self.columns.items():
            shared = sorted(set(columns) & set(classes))
            if other != key and shared:
                raise BadCall(
                    f"classes {shared} of task label {label} already belong to label {other}: in a multi-head"
                    " network each class has one label. Use the head 'linear' for tasks that share classes."
                )
        have = self.columns.get(key, [])
        missing = [column for column in dict.fromkeys(classes) if column not in have]
        if not missing:
            return False
        self.columns[key] = have + missing
        weight, offset = fresh_rows(len(missing), self.feature_size, bias=self.bias is not None)
        self._extend(self.weight, key, weight)
        if self.bias is not None and offset is not None:
            self._extend(self.bias, key, offset)
        self.place = self._places().to(self.place.device)
        return True

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for key, columns in self.columns.items():
            weight, offset = fresh_rows(len(columns), self.feature_size, bias=self.bias is not None)
            self.weight[key].copy_(weight)
            if self.bias is not None and offset is not None:
                self.bias[key].copy_(offset)

    def _extend(self, blocks: nn.ParameterDict, key: str, rows: Tensor) -> None:
        if key in blocks:
            blocks[key] = with_rows(blocks[key], rows)
        else:
            blocks[key] = nn.Parameter(rows.to(self.like))

    def _places(self) -> Tensor:
        order = [column for columns in self.columns.values() for column in columns]
        places = torch.full((max(order) + 1,), len(order), dtype=torch.int64)
        places[torch.tensor(order)] = torch.arange(len(order))
        return places

    def forward(self, features: Tensor) -> Tensor:
        if not self.columns:
            return features.new_empty(len(features), 0)
        rows = [
            F.linear(features, weight, None if self.bias is None else self.bias[key])
            for key, weight in self.weight.items()
        ]
        # Not len(features), which torch.export would take for a constant.
        rows.append(rows[0].new_full((features.shape[0], 1), ABSENT))
        return torch.cat(rows, dim=1).index_select(1, self.place)
