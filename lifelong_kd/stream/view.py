"""Fixed views of raw samples: what a task of a permuted or rotated stream shows of the same data."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Permutation", "Rotation", "View"]

View = Callable[[Tensor], Tensor]
"""Raw batch in, raw batch of the same shape and type out; the same for a sample whatever it is batched with."""


class Permutation:
    """The same reordering of the pixels of every image (Goodfellow et al. 2013, arXiv 1312.6211).

    Args:
        order: for each pixel of the flattened sample, which pixel is shown there.

    >>> Permutation(torch.tensor([2, 0, 1]))(torch.tensor([[5.0, 6.0, 7.0]]))
    tensor([[7., 5., 6.]])
    """

    def __init__(self, order: Tensor) -> None:
        self.order = order
        self._on: dict[torch.device, Tensor] = {}

    def __call__(self, raw: Tensor) -> Tensor:
        if raw.device not in self._on:
            self._on[raw.device] = self.order.to(raw.device)
        return raw.flatten(1).index_select(1, self._on[raw.device]).view_as(raw)


class Rotation:
    """Every image turned by the same angle about its centre, bilinear, zero outside (Lopez-Paz & Ranzato 2017).

    Args:
        degrees: the angle; positive turns counter-clockwise.
        height, width: size of the images in pixels.
    """

    def __init__(self, degrees: float, height: int, width: int) -> None:
        self.degrees = float(degrees)
        index, weight = _neighbours(self.degrees, height, width)
        self._tables = (index, weight)
        self._on: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(self, raw: Tensor) -> Tensor:
        if raw.device not in self._on:
            self._on[raw.device] = (self._tables[0].to(raw.device), self._tables[1].to(raw.device))
        index, weight = self._on[raw.device]
        pixels = raw.flatten(2)
        # One product a neighbour: the four corners of the source square that a target pixel falls into.
        turned = sum(
            pixels.index_select(2, corner).to(torch.float32) * share
            for corner, share in zip(index, weight, strict=True)
        )
        turned = torch.as_tensor(turned).view(raw.shape)
        return turned if raw.is_floating_point() else turned.round_().clamp_(0, 255).to(raw.dtype)


def _neighbours(degrees: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """For each target pixel its four source pixels, (4, pixels) int64, and their shares, (4, pixels)."""
    angle = math.radians(degrees)
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) - (height - 1) / 2,
        torch.arange(width, dtype=torch.float64) - (width - 1) / 2,
        indexing="ij",
    )
    # The image's y axis points down, so the inverse of a counter-clockwise turn is this one.
    from_x = math.cos(angle) * x - math.sin(angle) * y + (width - 1) / 2
    from_y = math.sin(angle) * x + math.cos(angle) * y + (height - 1) / 2
    left, top = from_x.floor(), from_y.floor()
    indices, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            column, row = left + right, top + down
            share = (1 - (from_x - column).abs()) * (1 - (from_y - row).abs())
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            indices.append((row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).flatten().long())
            weights.append((share * inside).flatten().float())
    return torch.stack(indices), torch.stack(weights)
