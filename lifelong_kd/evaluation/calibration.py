"""Calibration: whether a model that says 80 % is right in 80 % of the cases."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["calibration_error", "calibration_sums", "expected_calibration_error"]


def calibration_sums(probabilities: Tensor, targets: Tensor, bins: int = 15) -> Tensor:
    """What each bin of confidence holds: (3, bins) of samples, right predictions and summed confidence, float64.

    The confidence of a sample is its largest probability, its bin m the one with (m-1)/bins < confidence <= m/bins.
    The sums of several batches add up. Nothing leaves the device.

    Args:
        probabilities: (N, C), each row sums to 1.
        targets: (N), true classes.
        bins: number of bins of equal width, at least 1.

    Raises:
        BadCall: for shapes that do not fit or no bins.
    """
    if bins < 1:
        raise BadCall(f"the number of calibration bins must be at least 1, found {bins}.")
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1] or probabilities.shape[1] == 0:
        raise BadCall(
            "calibration needs probabilities (N, C) and targets (N), found"
            f" {tuple(probabilities.shape)} and {tuple(targets.shape)}."
        )
    confidence, predicted = probabilities.double().max(dim=1)
    index = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    columns = torch.stack([torch.ones_like(confidence), (predicted == targets).double(), confidence])
    # A product with an indicator rather than a scatter: the same sum on every device and in every order of threads.
    return columns @ torch.nn.functional.one_hot(index, bins).double()


def calibration_error(sums: Tensor) -> float | None:
    """ECE = sum over bins of |B_m| / n * |acc(B_m) - conf(B_m)|, from ``calibration_sums``; ``None`` without samples.

    Since acc and conf are means over the bin, this is the sum of |right - confidence| over the bins, divided by n.
    """
    count, right, confidence = sums.double().cpu()
    total = count.sum().item()
    return float((right - confidence).abs().sum().item() / total) if total else None


def expected_calibration_error(probabilities: Tensor, targets: Tensor, bins: int = 15) -> float | None:
    """Expected calibration error: the gap between confidence and accuracy, averaged over bins of confidence.

    ECE = sum_m |B_m| / n * |acc(B_m) - conf(B_m)|, in [0, 1]. Paper: Guo, Pleiss, Sun, Weinberger, "On Calibration of
    Modern Neural Networks" (ICML 2017, arXiv:1706.04599), equation 3, with its 15 bins of equal width.

    Args:
        probabilities: (N, C), each row sums to 1.
        targets: (N), true classes.
        bins: number of bins, at least 1.

    ``None`` without samples.

    Raises:
        BadCall: for shapes that do not fit, no bins, or values that are no probabilities (logits, for instance).

    >>> expected_calibration_error(torch.tensor([[0.75, 0.25]]), torch.tensor([0]))
    0.25
    """
    if probabilities.numel() and not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-3):
        raise BadCall(
            "calibration needs probabilities, but the values reach from"
            f" {probabilities.min().item():.4g} to {probabilities.max().item():.4g}. Are these logits? Use softmax."
        )
    return calibration_error(calibration_sums(probabilities, targets, bins))
