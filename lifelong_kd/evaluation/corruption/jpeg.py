"""Quantisation of blocks as in JPEG."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.evaluation.corruption.levels import check_images, level_of, like

__all__ = ["QUALITIES", "jpeg"]

QUALITIES = (50, 30, 18, 10, 5)

# The example tables of the JPEG standard (ITU-T T.81, annex K), by frequency down and across.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)
# Rec. 601 as in JFIF: luminance, then blue and red less luminance.
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def jpeg(x: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Each block of 8 x 8 pixels loses detail as in JPEG: cosine transform, rounding by a table, and back.

    The table is that of the standard, scaled to a quality from 50 down to 5. Three channels are read as RGB and
    quantised as luminance and colour, without subsampling; others each as luminance. An image whose sides are no
    multiple of 8 is continued by its last row and column and cut again. The idea is that of Hendrycks and Dietterich
    2019 (arXiv:1903.12261); the levels are our own.

    Args:
        x: images (B, C, H, W) in [0, 1].
        severity: 1 to 5.
        generator: not drawn from.

    Raises:
        BadCall: for another severity, or what are no images in [0, 1].
    """
    images, quality = check_images(x), level_of(QUALITIES, severity)
    if not x.numel():
        return x.clone()
    coloured = x.shape[1] == 3
    grey = _table(LUMINANCE, quality, images)
    tables = torch.stack([grey, *[_table(CHROMINANCE, quality, images)] * 2]) if coloured else grey[None]
    turn = torch.tensor(TO_YCC, dtype=torch.float64)
    values = 255 * images
    if coloured:
        values = torch.einsum("dc,bchw->bdhw", turn.to(images), values)
    # Colour lies about 0 already.
    centre = torch.tensor([128.0, 0.0, 0.0] if coloured else [128.0]).to(images)[:, None, None]
    values = _rounded(values - centre, tables) + centre
    if coloured:
        values = torch.einsum("dc,bchw->bdhw", turn.inverse().to(images), values)
    return like(values / 255, x)


def _rounded(values: Tensor, tables: Tensor) -> Tensor:
    """(B, C, H, W) with the cosine coefficients of each block rounded to multiples of ``tables`` (C or 1, 8, 8)."""
    height, width = values.shape[2:]
    padded = F.pad(values, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = padded.unflatten(3, (-1, 8)).unflatten(2, (-1, 8))
    cosine = _cosine().to(values)
    # Blocks (B, C, down, 8, across, 8): rows of a block are i, its columns j.
    found = torch.einsum("ui,vj,bcyixj->bcyuxv", cosine, cosine, blocks)
    steps = tables[:, None, :, None, :]
    kept = (found / steps).round() * steps
    back = torch.einsum("ui,vj,bcyuxv->bcyixj", cosine, cosine, kept)
    return back.flatten(4, 5).flatten(2, 3)[:, :, :height, :width]


def _cosine() -> Tensor:
    """The orthonormal cosine transform of 8 values, (frequency, place)."""
    place, frequency = torch.arange(8, dtype=torch.float64), torch.arange(8, dtype=torch.float64)[:, None]
    matrix = (math.pi / 8 * (place + 0.5) * frequency).cos() / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _table(base: tuple[tuple[int, ...], ...], quality: int, images: Tensor) -> Tensor:
    """The table at a quality from 1 to 100, scaled as the reference implementation of JPEG (libjpeg) does."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(base) * scale + 50) // 100).clamp(1, 255).to(images)
