"""Random erasing."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.augment.draw import uniform
from lifelong_kd.stream.transform import Transform

__all__ = ["Erasing"]


class Erasing(Transform):
    """Sets a random rectangle of each image to 0 with probability ``p`` (Zhong et al. 2017, arXiv 1708.04896).

    A rectangle that is longer than the image is cut to it.

    Args:
        p: probability, from 0 to 1.
        scale: least and greatest area, as a share of the image's.
        ratio: least and greatest ratio of height to width, drawn evenly on a logarithmic scale.
    """

    def __init__(
        self, *, p: float = 0.5, scale: list[float] | None = None, ratio: list[float] | None = None
    ) -> None:
        scale = [0.02, 0.33] if scale is None else scale
        ratio = [0.3, 3.3] if ratio is None else ratio
        if not 0 <= p <= 1:
            raise BadCall(f"p must be from 0 to 1, got {p}")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
            raise BadCall(f"scale must be two shares, 0 < least <= greatest <= 1, got {scale}")
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
            raise BadCall(f"ratio must be two positive numbers, least first, got {ratio}")
        self.p, self.scale, self.ratio = p, scale, ratio

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        height, width = x.shape[2:]
        erased = uniform(x, 0.0, 1.0, generator) < self.p
        area = uniform(x, self.scale[0], self.scale[1], generator) * (height * width)
        ratio = uniform(x, math.log(self.ratio[0]), math.log(self.ratio[1]), generator).exp()
        tall = (area * ratio).sqrt().round().clamp(1, height)
        wide = (area / ratio).sqrt().round().clamp(1, width)
        top = (uniform(x, 0.0, 1.0, generator) * (height - tall + 1)).floor()
        left = (uniform(x, 0.0, 1.0, generator) * (width - wide + 1)).floor()
        rows = torch.arange(height, device=x.device).view(1, -1)
        columns = torch.arange(width, device=x.device).view(1, -1)
        in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
        in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
        inside = in_rows[:, None, :, None] & in_columns[:, None, None, :] & erased.view(-1, 1, 1, 1)
        return x.masked_fill(inside, 0.0)
