"""Calibration: whether a model that says 80 % is right in 80 % of the cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = [
    "ReliabilityBins",
    "calibration_error",
    "calibration_forgetting",
    "calibration_sums",
    "expected_calibration_error",
    "reliability_bins",
]


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


@dataclass(frozen=True)
class ReliabilityBins:
    """For each bin of confidence, lowest first: ``samples``, ``accuracy`` and mean ``confidence``.

    The means of a bin without samples are ``None``.
    """

    samples: tuple[int, ...]
    accuracy: tuple[float | None, ...]
    confidence: tuple[float | None, ...]


def reliability_bins(sums: Tensor) -> ReliabilityBins:
    """What a reliability diagram shows, from ``calibration_sums``.

    Paper: Guo et al. 2017 (arXiv:1706.04599), section 2.

    >>> reliability_bins(calibration_sums(torch.tensor([[0.75, 0.25]]), torch.tensor([0]), bins=2))
    ReliabilityBins(samples=(0, 1), accuracy=(None, 1.0), confidence=(None, 0.75))
    """
    count, right, confidence = sums.double().cpu().tolist()
    return ReliabilityBins(
        samples=tuple(round(n) for n in count),
        accuracy=tuple(r / n if n else None for r, n in zip(right, count, strict=True)),
        confidence=tuple(c / n if n else None for c, n in zip(confidence, count, strict=True)),
    )


def calibration_forgetting(E: Sequence[Sequence[float | None]]) -> float | None:
    """CF = mean over j < k-1 of E[k-1][j] - E[j][j]: how much worse calibrated earlier tasks are than once learned.

    It is backward transfer (Lopez-Paz and Ranzato 2017, arXiv:1706.08840) of the calibration error: E[i][j] is the
    error on test task j after task i, and above 0 calibration was lost. A task without an error at either time does
    not count. ``None`` before the second task.

    Args:
        E: one row a task learned, each with at least its own and all earlier tasks.

    Raises:
        BadCall: if a row lacks one of these.

    >>> calibration_forgetting([[0.125], [0.5, 0.25]])
    0.375
    """
    for i, row in enumerate(E):
        if len(row) <= i:
            raise BadCall(
                f"the calibration errors after task {i} are {len(row)}, but {i + 1} tasks were seen."
            )
    pairs = [(E[-1][j], E[j][j]) for j in range(len(E) - 1)]
    rises = [last - first for last, first in pairs if last is not None and first is not None]
    return sum(rises) / len(rises) if rises else None
