"""Proper scores: the price of a prediction by the whole distribution it gives, lowest for the true one."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["brier_score", "negative_log_likelihood"]


def negative_log_likelihood(logits: Tensor, targets: Tensor) -> float | None:
    """NLL = mean over samples of -log softmax(z)_y: 0 for a model that is sure and right, without upper bound.

    Left out is a sample whose class has no column, or no finite score. ``None`` if none is left.

    Args:
        logits: (N, C); a class that is not offered has -inf.
        targets: (N), true classes from 0.

    Raises:
        BadCall: for shapes that do not fit, or a negative class.

    >>> round(negative_log_likelihood(torch.tensor([[0.0, 0.0]]), torch.tensor([1])), 4)
    0.6931
    """
    _check(logits, targets)
    if not logits.shape[1]:
        return None
    score = logits.gather(1, targets.clamp(max=logits.shape[1] - 1)[:, None]).squeeze(1)
    known = (targets < logits.shape[1]) & score.isfinite()
    if not known.any():
        return None
    usable = logits[known].double()
    return float((usable.logsumexp(dim=1) - score[known].double()).mean())


def brier_score(probabilities: Tensor, targets: Tensor) -> float | None:
    """BS = mean over samples of sum over classes of (p_c - [c = y])^2, from 0 (sure and right) to 2 (sure and wrong).

    Paper: Brier, "Verification of forecasts expressed in terms of probability" (Monthly Weather Review 1950). With two
    classes it is twice the score that looks at one of them only. ``None`` without samples.

    Args:
        probabilities: (N, C), each row sums to 1.
        targets: (N), true classes, below C.

    Raises:
        BadCall: for shapes that do not fit, a class without a column, or values that are no probabilities.

    >>> brier_score(torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([0]))
    0.375
    """
    _check(probabilities, targets)
    if not len(targets):
        return None
    if int(targets.max()) >= probabilities.shape[1]:
        raise BadCall(
            f"class {int(targets.max())} has no column among {probabilities.shape[1]}: leave such samples out"
        )
    if not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-3):
        raise BadCall(
            "the Brier score needs probabilities, but the values reach from"
            f" {probabilities.min().item():.4g} to {probabilities.max().item():.4g}. Are these logits? Use softmax."
        )
    wanted = torch.nn.functional.one_hot(targets, probabilities.shape[1]).double()
    return float((probabilities.double() - wanted).square().sum(dim=1).mean())


def _check(values: Tensor, targets: Tensor) -> None:
    if values.ndim != 2 or targets.shape != values.shape[:1]:
        raise BadCall(
            f"scores are (N, C) and targets (N), found {tuple(values.shape)} and {tuple(targets.shape)}."
        )
    if len(targets) and int(targets.min()) < 0:
        raise BadCall(f"classes count from 0, found {int(targets.min())}.")
