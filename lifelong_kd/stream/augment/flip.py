"""Random horizontal flip."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.augment.draw import uniform
from lifelong_kd.stream.transform import Transform

__all__ = ["Flip"]


class Flip(Transform):
    """Mirrors each image left to right with probability ``p``.

    Args:
        p: probability, from 0 to 1.
    """

    def __init__(self, *, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise BadCall(f"p must be from 0 to 1, got {p}")
        self.p = p

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        mirrored = uniform(x, 0.0, 1.0, generator) < self.p
        return torch.where(mirrored.view(-1, 1, 1, 1), x.flip(3), x)
