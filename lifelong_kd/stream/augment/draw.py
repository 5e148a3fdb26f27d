"""Draws that are the same on every device."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["uniform"]


def uniform(x: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """One number in [low, high) for each sample of ``x``, float32 (batch,), drawn on the CPU, on ``x.device``."""
    return (torch.rand(len(x), generator=generator) * (high - low) + low).to(x.device)
