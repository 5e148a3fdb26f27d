"""Samples that show nothing: a control."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.types import TaskData
from lifelong_kd.stream.pool import Pool

__all__ = ["NoisePool"]

LOOKED_AT = 256
"""Samples of a task that tell the range of floating point values."""


class NoisePool(Pool):
    """Uniform noise of the shape and type of the stream's samples: a control for what real unlabelled data add.

    Bytes from 0 to 255; floating point numbers between the smallest and the largest value in the task's first samples.
    """

    def __init__(self) -> None:
        self._range: tuple[TaskData, float, float] | None = None

    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        like = data.raw(torch.arange(1))
        shape = (count, *like.shape[1:])
        if like.dtype == torch.uint8:
            return torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        low, high = self._values(data)
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=like.dtype)

    def _values(self, data: TaskData) -> tuple[float, float]:
        if self._range is None or self._range[0] is not data:
            seen = data.raw(torch.arange(min(LOOKED_AT, len(data.targets))))
            self._range = (data, float(seen.min()), float(seen.max()))
        return self._range[1:]
