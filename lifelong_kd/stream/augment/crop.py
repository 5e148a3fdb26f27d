"""Random crop of a padded image."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.transform import Transform

__all__ = ["Crop"]


class Crop(Transform):
    """Pads each image with zeros and cuts a window at a random place; evaluation sees the window in the middle.

    Args:
        padding: pixels added on each side before cutting.
        size: side of the window in pixels; null keeps the size of the images.
    """

    def __init__(self, *, padding: int = 4, size: int | None = None) -> None:
        if padding < 0:
            raise BadCall(f"padding must be at least 0, got {padding}")
        if size is not None and size < 1:
            raise BadCall(f"size must be at least 1, got {size}")
        self.padding = padding
        self.size = size

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        height, width = self._window(x)
        padded = torch.nn.functional.pad(x, [self.padding] * 4)
        room = (padded.shape[2] - height + 1, padded.shape[3] - width + 1)
        top, left = (
            (torch.rand(len(x), generator=generator) * places).long().to(x.device) for places in room
        )
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (batch, channel, top, left, y, x)
        return windows[torch.arange(len(x), device=x.device), :, top, left]

    def still(self, x: Tensor) -> Tensor:
        height, width = self._window(x)
        padded = torch.nn.functional.pad(x, [self.padding] * 4)
        top, left = (padded.shape[2] - height) // 2, (padded.shape[3] - width) // 2
        return padded[:, :, top : top + height, left : left + width]

    def _window(self, x: Tensor) -> tuple[int, int]:
        height, width = (self.size, self.size) if self.size is not None else (x.shape[2], x.shape[3])
        if height > x.shape[2] + 2 * self.padding or width > x.shape[3] + 2 * self.padding:
            raise BadCall(
                f"a window of {height}x{width} does not fit into {x.shape[2]}x{x.shape[3]} padded by {self.padding}"
            )
        return height, width
