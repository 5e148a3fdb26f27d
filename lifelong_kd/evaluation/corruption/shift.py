"""Images moved and turned."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.evaluation.corruption.levels import check_images, level_of, like

__all__ = ["LEVELS", "shift"]

LEVELS = ((0.03, 4.0), (0.06, 8.0), (0.09, 12.0), (0.12, 18.0), (0.16, 25.0))


def shift(x: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Each image moved by a share of its sides in a random direction, and turned by an angle to either side.

    The share goes from 0.03 to 0.16, the angle from 4 to 25 degrees; values are interpolated bilinearly, and the border
    continues outside. Geometric changes are not among those of Hendrycks and Dietterich 2019 (arXiv:1903.12261), whose
    scheme of five severities this follows; the levels are our own.

    Args:
        x: images (B, C, H, W) in [0, 1].
        severity: 1 to 5.
        generator: draws directions, on the CPU.

    Raises:
        BadCall: for another severity, or what are no images in [0, 1].
    """
    images, (share, degrees) = check_images(x), level_of(LEVELS, severity)
    if not x.numel():
        return x.clone()
    count, (height, width) = len(x), x.shape[2:]
    direction = 2 * math.pi * torch.rand(count, generator=generator)
    side = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, -1.0)
    angle = math.radians(degrees) * side
    # In the coordinates of the grid each side has length 2, so turning needs the ratio of the sides.
    across = torch.stack([angle.cos(), -angle.sin() * height / width, 2 * share * direction.cos()], dim=1)
    down = torch.stack([angle.sin() * width / height, angle.cos(), 2 * share * direction.sin()], dim=1)
    where = torch.stack([across, down], dim=1).to(images)
    grid = F.affine_grid(where, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return like(moved, x)
