"""Less contrast, more or less light."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.evaluation.corruption.levels import check_images, level_of, like

__all__ = ["LEVELS", "contrast"]

LEVELS = ((0.75, 0.05), (0.60, 0.10), (0.45, 0.15), (0.30, 0.20), (0.20, 0.25))


def contrast(x: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Contrast lowered about the mean m of each channel, and brightness moved: m + c * (x - m) +- b, cut to [0, 1].

    c goes from 0.75 to 0.20, b from 0.05 to 0.25; each image becomes lighter or darker by a draw. The idea is that of
    Hendrycks and Dietterich 2019 (arXiv:1903.12261), who have contrast and brightness apart; the levels are our own.

    Args:
        x: images (B, C, H, W) in [0, 1].
        severity: 1 to 5.
        generator: draws which images become lighter, on the CPU.

    Raises:
        BadCall: for another severity, or what are no images in [0, 1].
    """
    images, (kept, moved) = check_images(x), level_of(LEVELS, severity)
    lighter = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
    light = torch.where(lighter, moved, -moved).to(images)
    mean = images.mean(dim=(2, 3), keepdim=True)
    return like(mean + kept * (images - mean) + light, x)
