"""Which units and which layers of one network another one takes over."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["NEW", "Layers", "pick_layers", "pick_units"]

Layers = Literal["even", "first", "last"]
"""Which layers feed those of a network with fewer: evenly spaced ones, the first, or the last."""

NEW = -1
"""In the place of a unit or layer: one that the other network does not have."""


def pick_units(scores: Tensor, need: int) -> Tensor:
    """The ``need`` units of the highest scores, in their own order; ``NEW`` for those that there are not.

    Of units with one score the first are taken, so that equal scores give the first ``need`` units.

    Args:
        scores: one a unit, shape (units,).
        need: how many are wanted.

    Returns:
        Indices, int64, shape (need,).

    >>> pick_units(torch.tensor([0.5, 2.0, 1.0]), 2), pick_units(torch.tensor([0.5, 2.0]), 3)
    (tensor([1, 2]), tensor([ 0,  1, -1]))
    """
    have = len(scores)
    best = scores.argsort(descending=True, stable=True)[:need].sort().values.cpu()
    return torch.cat([best, torch.full((max(need - have, 0),), NEW)])


def pick_layers(have: int, need: int, layers: Layers = "even") -> list[int]:
    """Which of ``have`` layers feed each of ``need``; the first always feeds the first, which reads the same input.

    Args:
        have: layers that there are, at least 1.
        need: layers that are wanted, at least 1.
        layers: ``even``: from the first to the last at equal distances, rounded; ``first``: the first ones; ``last``:
            the first and then the last ones. Layers beyond those that there are are ``NEW``.

    >>> pick_layers(5, 3), pick_layers(5, 3, "first"), pick_layers(5, 3, "last"), pick_layers(2, 3)
    ([0, 2, 4], [0, 1, 2], [0, 3, 4], [0, 1, -1])
    """
    if need >= have or layers == "first":
        return [number if number < have else NEW for number in range(need)]
    if layers == "last":
        return [0, *range(have - need + 1, have)]
    return [round(number * (have - 1) / max(need - 1, 1)) for number in range(need)]
