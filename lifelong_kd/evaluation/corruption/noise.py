"""Gaussian noise."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.evaluation.corruption.levels import check_images, level_of, like

__all__ = ["SIGMAS", "noise"]

SIGMAS = (0.05, 0.10, 0.15, 0.22, 0.30)


def noise(x: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Noise on every pixel and channel: x + sigma * n with n ~ N(0, 1), sigma from 0.05 to 0.30, cut to [0, 1].

    The idea is that of Hendrycks and Dietterich 2019 (arXiv:1903.12261); the levels are our own.

    Args:
        x: images (B, C, H, W) in [0, 1].
        severity: 1 to 5.
        generator: draws the noise, on the CPU.

    Raises:
        BadCall: for another severity, or what are no images in [0, 1].
    """
    images, sigma = check_images(x), level_of(SIGMAS, severity)
    drawn = torch.randn(x.shape, generator=generator).to(images)
    return like(images + sigma * drawn, x)
