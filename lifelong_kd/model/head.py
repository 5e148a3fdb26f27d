"""What a head is, and how rows are added to one without touching those it has."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall

__all__ = ["Head", "fresh_rows", "with_rows"]


class Head(nn.Module):
    """A classifier on features: ``forward`` takes (B, feature_size) and gives logits (B, width).

    Column ``c`` of the logits stands for class ``c``. A subclass sets ``feature_size`` and writes ``forward``,
    ``width`` and ``grow``. With a method ``reset_parameters``, which draws everything that is learned anew at the
    columns that there are, phases can train a network that knows nothing.
    """

    feature_size: int

    def forward(self, features: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    @property
    def width(self) -> int:
        """The number of columns that the logits have now."""
        raise NotImplementedError(f"{type(self).__name__} has no width")

    def grow(self, classes: Sequence[int], label: int) -> bool:
        """Make sure that every class of ``classes`` (those of task label ``label``) has its column.

        What the head had keeps its values bit for bit; new rows are drawn from torch's default CPU generator.

        Returns:
            Whether parameters were replaced, so that an optimiser must be told.

        Raises:
            BadCall: for a class that the head cannot have.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it grows")

    def rows_needed(self, classes: Sequence[int], *, limit: int | None) -> int:
        """The width at which every class of ``classes`` has a column: the largest class plus one, 0 for none.

        Raises:
            BadCall: for a negative class, or one beyond ``limit`` columns.
        """
        lowest, highest = min(classes, default=0), max(classes, default=-1)
        if lowest < 0:
            raise BadCall(f"a class is the number of a column and cannot be negative, found {lowest}.")
        if limit is not None and highest >= limit:
            raise BadCall(
                f"class {highest} has no column: this head was built for {limit} classes and does not grow."
                " Give the stream's number of classes, or set the head's option 'grow: true'."
            )
        return highest + 1


def fresh_rows(rows: int, feature_size: int, *, bias: bool) -> tuple[Tensor, Tensor | None]:
    """New weights (rows, feature_size) and biases (rows), drawn as ``torch.nn.Linear`` draws its own.

    Both are uniform in +-1/sqrt(feature_size), weights first, from torch's default CPU generator on every device.
    """
    bound = 1 / math.sqrt(feature_size)
    weight = torch.empty(rows, feature_size).uniform_(-bound, bound)
    return weight, torch.empty(rows).uniform_(-bound, bound) if bias else None


def with_rows(old: nn.Parameter, rows: Tensor) -> nn.Parameter:
    """A parameter of the old rows, bit for bit, and the new ones below; dtype, device and requires_grad of the old."""
    grown = torch.cat([old.detach(), rows.to(device=old.device, dtype=old.dtype)])
    return nn.Parameter(grown, requires_grad=old.requires_grad)
