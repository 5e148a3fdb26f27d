"""Similarity of two representations of the same samples."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["linear_cka"]


def linear_cka(X: Tensor, Y: Tensor) -> float | None:
    """Linear centred kernel alignment of two sets of features of the same samples, in [0, 1].

    CKA = ||Y^T X||_F^2 / (||X^T X||_F * ||Y^T Y||_F), the columns of X and Y centred. It is 1 for the same
    features, also after a rotation, a reflection or a scaling of all of them by one factor, but not after any
    linear map. Paper: Kornblith, Norouzi, Lee, Hinton, "Similarity of Neural Network Representations Revisited"
    (ICML 2019, arXiv:1905.00414). With fewer samples than dimensions unrelated features look alike.

    Args:
        X: (N, D) features.
        Y: (N, E) features of the same samples, in the same order.

    ``None`` if either is the same for all samples, or without samples. Computed in float64.

    Raises:
        BadCall: for shapes that do not fit, or values that are not finite.

    >>> linear_cka(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0, 1.0], [3.0, 1.0]]))
    1.0
    """
    if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y):
        raise BadCall(
            "linear CKA needs features (N, D) and (N, E) of the same samples, found"
            f" {tuple(X.shape)} and {tuple(Y.shape)}."
        )
    if not (bool(X.isfinite().all()) and bool(Y.isfinite().all())):
        raise BadCall("linear CKA needs finite features, found NaN or infinite ones.")
    if not len(X):
        return None
    x, y = _unit(X.double()), _unit(Y.double())
    if x is None or y is None:
        return None
    value = (y.T @ x).square().sum() / (torch.linalg.matrix_norm(x.T @ x) * torch.linalg.matrix_norm(y.T @ y))
    # Rounding may carry the ratio past its bound.
    return min(float(value), 1.0)


def _unit(features: Tensor) -> Tensor | None:
    """Centred features, scaled so that products of very large or small ones stay finite; ``None`` if all equal."""
    # Equal features have a mean that need not equal them in floating point, so that centring would leave noise.
    if bool((features == features[0]).all()):
        return None
    centred = features - features.mean(dim=0)
    return centred / centred.abs().max()
