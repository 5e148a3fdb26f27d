"""Telling samples of known classes (inliers) from others (outliers) by what a classifier says."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["energy_score", "outlier_auroc", "softmax_score"]


def softmax_score(logits: Tensor) -> Tensor:
    """log max_c softmax(z)_c of each sample, (N): how sure the classifier is; high for inliers.

    Paper: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
    Networks" (ICLR 2017, arXiv:1610.02136). The logarithm keeps the order, and also where the probability rounds to 1.

    Args:
        logits: (N, C) over the classes known; a class that is not offered has -inf.

    Raises:
        BadCall: if it is no matrix with a column.
    """
    best, others = _scores(logits).sort(dim=1, descending=True).values.split([1, logits.shape[1] - 1], dim=1)
    # A row of -inf offers no class at all: nothing could be less sure.
    share = (others - best).exp().sum(dim=1).log1p().neg()
    return torch.where(best.squeeze(1) == -torch.inf, best.squeeze(1), share)


def energy_score(logits: Tensor) -> Tensor:
    """log sum_c exp(z_c) of each sample, (N): the negative of its energy, high for inliers.

    Paper: Liu, Wang, Owens, Li, "Energy-based Out-of-distribution Detection" (NeurIPS 2020, arXiv:2010.03759), with
    temperature 1.

    Args:
        logits: (N, C) over the classes known; a class that is not offered has -inf.

    Raises:
        BadCall: if it is no matrix with a column.
    """
    return _scores(logits).logsumexp(dim=1)


def outlier_auroc(inliers: Tensor, outliers: Tensor) -> float | None:
    """The chance that an inlier scores higher than an outlier, ties counting half: 0.5 for a coin, 1 for no overlap.

    It is the area under the curve of true against false inliers. ``None`` if one side is empty.

    Args:
        inliers: scores (N), high for what looks known.
        outliers: scores (M).

    Raises:
        BadCall: for scores that are no vectors, or not numbers.

    >>> outlier_auroc(torch.tensor([0.9, 0.5]), torch.tensor([0.5]))
    0.75
    """
    if inliers.ndim != 1 or outliers.ndim != 1:
        raise BadCall(f"scores are vectors, found shapes {tuple(inliers.shape)} and {tuple(outliers.shape)}.")
    if not len(inliers) or not len(outliers):
        return None
    scores = torch.cat([inliers.double(), outliers.double()]).cpu()
    if scores.isnan().any():
        raise BadCall("some scores are not numbers (NaN).")
    from sklearn.metrics import roc_auc_score

    known = torch.cat([torch.ones(len(inliers)), torch.zeros(len(outliers))])
    # Only the order matters, and ranks are finite where scores are not.
    ranks = scores.unique(return_inverse=True)[1]
    return float(roc_auc_score(known.numpy(), ranks.numpy()))


def _scores(logits: Tensor) -> Tensor:
    if logits.ndim != 2 or not logits.shape[1]:
        raise BadCall(
            f"outliers are told by logits (N, C) with at least one column, found {tuple(logits.shape)}."
        )
    return logits.double()
