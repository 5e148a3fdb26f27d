"""Gaussian blur."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.evaluation.corruption.levels import check_images, level_of, like

__all__ = ["SHARES", "blur"]

SHARES = (0.01, 0.02, 0.03, 0.045, 0.06)


def blur(x: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Every channel smoothed by a Gaussian of sigma = 0.3 pixels + share * min(H, W), share from 0.01 to 0.06.

    The kernel reaches 3 sigma, but not beyond the image, which is mirrored at its borders. The idea is that of
    Hendrycks and Dietterich 2019 (arXiv:1903.12261); the levels are our own.

    Args:
        x: images (B, C, H, W) in [0, 1].
        severity: 1 to 5.
        generator: not drawn from.

    Raises:
        BadCall: for another severity, or what are no images in [0, 1].
    """
    images, share = check_images(x), level_of(SHARES, severity)
    height, width = x.shape[2:]
    if not x.numel():
        return x.clone()
    sigma = 0.3 + share * min(height, width)
    down, across = _kernel(sigma, height, images), _kernel(sigma, width, images)
    above, beside = len(down) // 2, len(across) // 2
    # Channels as samples: one kernel serves all of them.
    flat = F.pad(images.flatten(0, 1).unsqueeze(1), (beside, beside, above, above), mode="reflect")
    flat = F.conv2d(F.conv2d(flat, down.view(1, 1, -1, 1)), across.view(1, 1, 1, -1))
    return like(flat.view_as(images), x)


def _kernel(sigma: float, size: int, images: Tensor) -> Tensor:
    """A Gaussian of odd length, sum 1; mirroring reaches at most one pixel less than the image."""
    radius = min(math.ceil(3 * sigma), size - 1)
    offset = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weight = (-0.5 * (offset / sigma).square()).exp()
    return (weight / weight.sum()).to(images)
