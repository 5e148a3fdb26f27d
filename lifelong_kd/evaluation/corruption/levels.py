"""What all corruptions share: five severities, batches of images in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["SEVERITIES", "Corruption", "check_images", "level_of", "like"]

Corruption = Callable[[Tensor, int, torch.Generator], Tensor]
"""Images (B, C, H, W) in [0, 1], a severity and a CPU generator in; images of the same shape, type and place out."""

SEVERITIES = (1, 2, 3, 4, 5)

_Level = TypeVar("_Level")


def level_of(levels: tuple[_Level, _Level, _Level, _Level, _Level], severity: int) -> _Level:
    """The level at a severity from 1 to 5; 0, the image as it is, is no corruption."""
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise BadCall(f"the severity of a corruption is 1, 2, 3, 4 or 5, found {severity!r}")
    return levels[severity - 1]


def check_images(x: Tensor) -> Tensor:
    """A batch of images in at least single precision."""
    if x.ndim != 4 or not x.is_floating_point():
        raise BadCall(
            "a corruption needs floating point images (batch, channels, height, width),"
            f" found {x.dtype} of shape {tuple(x.shape)}"
        )
    # What was normalised already would be cut to [0, 1] without a word.
    if x.numel() and not (x.min() >= -1e-3 and x.max() <= 1 + 1e-3):
        raise BadCall(
            f"a corruption needs images in [0, 1], found {float(x.min()):.4g} to {float(x.max()):.4g}:"
            " corrupt them before they are normalised"
        )
    return x if x.dtype == torch.float64 else x.float()


def like(changed: Tensor, x: Tensor) -> Tensor:
    """Cut to [0, 1], in the type of ``x``."""
    return changed.clamp(0, 1).to(x.dtype)
