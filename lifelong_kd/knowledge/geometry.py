"""Lengths, directions and products of vectors, with gradients that stay finite at 0."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["differences", "length", "products", "unit"]

SHORTEST = 1e-12
"""A shorter vector has no direction: what is left of it is rounding, and the slope of its direction explodes."""


def length(values: Tensor, dim: int = 1, keepdim: bool = False) -> Tensor:
    """Euclidean length along ``dim``; at length 0 the gradient is 0 instead of NaN."""
    squares = values.square().sum(dim=dim, keepdim=keepdim)
    found = squares > 0
    # The inner choice keeps the root's infinite slope at 0 out of the backward pass, the outer one its value.
    return torch.where(found, torch.where(found, squares, 1.0).sqrt(), 0.0)


def unit(values: Tensor, dim: int = 1) -> Tensor:
    """The vectors along ``dim`` at length 1; one of no more than ``SHORTEST`` becomes 0, with gradient 0."""
    size = length(values, dim, keepdim=True)
    found = size > SHORTEST
    return values * torch.where(found, 1.0 / torch.where(found, size, 1.0), 0.0)


def products(vectors: Tensor) -> Tensor:
    """Inner products of all pairs, (batch, batch), also under autocast in the vectors' own precision."""
    with torch.autocast(vectors.device.type, enabled=False):
        return vectors @ vectors.mT


def differences(vectors: Tensor) -> Tensor:
    """``[i, j] = vector_j - vector_i``, shape (batch, batch, dimensions)."""
    return vectors[None, :, :] - vectors[:, None, :]
