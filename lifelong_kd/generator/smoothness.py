"""What is asked of a picture before any network has seen it: that neighbouring pixels are alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["blurred", "roughness", "total_variation"]


def total_variation(x: Tensor) -> Tensor:
    """The lengths of the differences of each image's neighbours: across, down and along both diagonals, added up.

    ``sum over directions of ||x - shifted x||_2``, as in the code of DeepInversion (Yin et al. 2020, arXiv 1912.08795),
    which takes the length over the whole batch: its weight w at batches of B images is ``w sqrt(B)`` for the mean over
    the images here.

    Args:
        x: images, shape (batch, channels, height, width).

    Returns:
        One value an image, shape (batch,).

    >>> total_variation(torch.tensor([[[[0.0, 3.0], [0.0, 0.0]]]]))
    tensor([9.])
    """
    pairs = (
        (x[..., :, :-1], x[..., :, 1:]),
        (x[..., :-1, :], x[..., 1:, :]),
        (x[..., 1:, :-1], x[..., :-1, 1:]),
        (x[..., :-1, :-1], x[..., 1:, 1:]),
    )
    return torch.stack([_length(one - other) for one, other in pairs]).sum(dim=0)


def roughness(x: Tensor) -> Tensor:
    """The mean squared difference between images and themselves blurred, of ABD (Smith et al. 2021, arXiv 2106.09701).

    Args:
        x: images, shape (batch, channels, height, width).

    Returns:
        A scalar, 0 for images of one colour.
    """
    return F.mse_loss(blurred(x), x)


def blurred(x: Tensor) -> Tensor:
    """Images under a 5x5 kernel ``exp(-(distance / 2)^2)``, normalised, channel by channel; edges are mirrored.

    That of ABD's code, whose divisor of 2 makes it a Gaussian of deviation ``sqrt(2)``. Images smaller than 3 pixels a
    side are left as they are.
    """
    if min(x.shape[2:]) < 3:
        return x
    offset = torch.arange(-2.0, 3.0, device=x.device)
    line = torch.exp(-((offset / 2) ** 2))
    kernel = line[:, None] * line[None, :]
    weight = (kernel / kernel.sum()).to(x.dtype).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), weight, groups=x.shape[1])


def _length(difference: Tensor) -> Tensor:
    # The derivative of a length at 0 is none; the smallest normal number gives it 0.
    return (difference.flatten(1).square().sum(dim=1) + torch.finfo(difference.dtype).tiny).sqrt()
