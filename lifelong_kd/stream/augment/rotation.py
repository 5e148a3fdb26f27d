"""Random rotation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.augment.draw import uniform
from lifelong_kd.stream.transform import Transform

__all__ = ["RandomRotation"]


class RandomRotation(Transform):
    """Turns each image about its centre by an angle of its own, bilinear, zero outside.

    Args:
        degrees: angles are drawn from -degrees to degrees.
    """

    def __init__(self, *, degrees: float = 15.0) -> None:
        if degrees < 0:
            raise BadCall(f"degrees must be at least 0, got {degrees}")
        self.degrees = degrees

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        limit = math.radians(self.degrees)
        angle = uniform(x, -limit, limit, generator)
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        # affine_grid measures in half widths and half heights: the ratio keeps the turn a turn if they differ.
        ratio = x.shape[2] / x.shape[3]
        matrix = torch.stack(
            [torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)], dim=1
        ).to(x.dtype)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
