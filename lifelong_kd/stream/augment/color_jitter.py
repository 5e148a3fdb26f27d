"""Random changes of brightness, contrast and saturation."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.augment.draw import uniform
from lifelong_kd.stream.transform import Transform

__all__ = ["ColorJitter"]


class ColorJitter(Transform):
    """Scales brightness, then contrast, then saturation of each image by factors of its own; results stay in [0, 1].

    Each factor is drawn from ``max(0, 1 - strength)`` to ``1 + strength``. Contrast moves pixels away from the mean
    grey of the image, saturation away from their own grey; grey images have no saturation to change.

    Args:
        brightness: strength, at least 0.
        contrast: strength, at least 0.
        saturation: strength, at least 0.
    """

    def __init__(self, *, brightness: float = 0.25, contrast: float = 0.25, saturation: float = 0.25) -> None:
        for name, strength in (
            ("brightness", brightness),
            ("contrast", contrast),
            ("saturation", saturation),
        ):
            if strength < 0:
                raise BadCall(f"{name} must be at least 0, got {strength}")
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        x = (x * self._factor(x, self.brightness, generator)).clamp_(0, 1)
        mean = _grey(x).mean(dim=(2, 3), keepdim=True)
        x = torch.lerp(mean.expand_as(x), x, self._factor(x, self.contrast, generator)).clamp_(0, 1)
        factor = self._factor(x, self.saturation, generator)
        return torch.lerp(_grey(x).expand_as(x), x, factor).clamp_(0, 1) if x.shape[1] == 3 else x

    @staticmethod
    def _factor(x: Tensor, strength: float, generator: torch.Generator | None) -> Tensor:
        return uniform(x, max(0.0, 1 - strength), 1 + strength, generator).view(-1, 1, 1, 1)


def _grey(x: Tensor) -> Tensor:
    """Luma of RGB images (ITU-R BT.601), or the one channel of grey ones; (batch, 1, height, width)."""
    if x.shape[1] != 3:
        return x.mean(dim=1, keepdim=True)
    return (x * x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
