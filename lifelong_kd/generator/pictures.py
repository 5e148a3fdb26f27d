"""The network that ABD trains against a solver: noise in, samples out."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Pictures"]

SLOPE = 0.2
"""Of the leaky rectifiers, as in the code of ABD."""


class Pictures(nn.Module):
    """Noise (batch, latent) to raw samples (batch, *shape): a linear layer, then two upsamplings and convolutions.

    For images the network of ABD's code for CIFAR (Smith et al. 2021, arXiv 2106.09701; from Fang et al. 2019, arXiv
    1912.11006): a quarter of the image's size in ``width`` channels, BatchNorm, twice the nearest-neighbour doubling
    and a 3x3 convolution with BatchNorm and leaky ReLU, the second with half the channels, then a 3x3 convolution.
    There tanh and a BatchNorm end it, in units of normalised images; here raw samples are made, and a sigmoid ends it.
    Other samples than images come from two dense layers of ``width`` units.

    Args:
        shape: of a sample.
        latent: entries of the noise.
        width: channels, or units; at least 2.
        bounded: whether samples lie in [0, 1].
    """

    def __init__(self, shape: tuple[int, ...], *, latent: int, width: int, bounded: bool) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.bounded = bounded
        self.small = (width, *(-(-side // 4) for side in shape[1:])) if len(shape) == 3 else (width,)
        self.first = nn.Linear(latent, math.prod(self.small))
        self.begin = nn.BatchNorm2d(width) if len(shape) == 3 else nn.BatchNorm1d(width)
        half = width // 2
        if len(shape) == 3:
            # 0.8 stands in the place of epsilon in their code, and is left there.
            self.middle: nn.Module = nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width, eps=0.8), nn.LeakyReLU(SLOPE)
            )
            self.end: nn.Module = nn.Sequential(
                nn.Conv2d(width, half, 3, padding=1),
                nn.BatchNorm2d(half, eps=0.8),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(half, shape[0], 3, padding=1),
            )
        else:
            self.middle = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Linear(width, width), nn.BatchNorm1d(width))
            self.end = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Linear(width, math.prod(shape)))

    def forward(self, z: Tensor) -> Tensor:
        x = self.begin(self.first(z).view(-1, *self.small))
        if len(self.shape) == 3:
            height, width = self.shape[1:]
            x = self.middle(F.interpolate(x, size=(-(-height // 2), -(-width // 2))))
            x = self.end(F.interpolate(x, size=(height, width)))
        else:
            x = self.end(self.middle(x)).view(-1, *self.shape)
        made: Tensor = x.sigmoid() if self.bounded else x
        return made
