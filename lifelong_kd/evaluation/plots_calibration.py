"""The reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import new_figure, save
from lifelong_kd.evaluation.plots import COLOURS

__all__ = ["plot_reliability"]


def plot_reliability(
    samples: Sequence[int],
    accuracy: Sequence[float | None],
    confidence: Sequence[float | None],
    path: Path | str,
    *,
    title: str = "Reliability",
) -> Path:
    """Bars of accuracy by confidence with their gap to the diagonal, and below how many samples; returns the path.

    The gap of a bin reaches from its accuracy to its mean confidence, so that the gaps, weighted by the samples, add up
    to the calibration error in the title. Paper: Guo et al. 2017 (arXiv:1706.04599), figure 1.

    Args:
        samples: for each bin of confidence, lowest first, how many samples it holds.
        accuracy: what share of them is right; ``None`` for a bin without samples.
        confidence: their mean confidence, likewise.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: without a sample, or for lists of different lengths.
    """
    bins, total = len(samples), sum(samples)
    if not total or len(accuracy) != bins or len(confidence) != bins:
        raise BadCall(
            f"a reliability diagram needs samples in its bins and three lists of one length, found {total} samples in"
            f" {bins} bins, {len(accuracy)} accuracies and {len(confidence)} confidences."
        )
    filled = [
        (m, 100 * right, 100 * sure)
        for m, (right, sure) in enumerate(zip(accuracy, confidence, strict=True))
        if right is not None and sure is not None
    ]
    places = [100 * (m + 0.5) / bins for m, _, _ in filled]
    error = sum(samples[m] * abs(right - sure) for m, right, sure in filled) / total
    mean_accuracy = sum(samples[m] * right for m, right, _ in filled) / total
    mean_confidence = sum(samples[m] * sure for m, _, sure in filled) / total

    figure, axes = new_figure(5.0, 6.0)
    axes.remove()
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width = 100 / bins
    edge = {"edgecolor": "white", "linewidth": 0.8}
    upper.bar(
        places, [right for _, right, _ in filled], width=width, color=COLOURS[4], label="accuracy", **edge
    )
    upper.bar(
        places,
        [sure - right for _, right, sure in filled],
        bottom=[right for _, right, _ in filled],
        width=width,
        # Over a bar of accuracy, where the model was not sure enough, it must not hide the bar.
        color="#D55E0055",
        edgecolor="#D55E00",
        hatch="//",
        linewidth=0.8,
        label="gap to confidence",
    )
    upper.plot([0, 100], [0, 100], color="black", linestyle="--", linewidth=1)
    upper.set(title=f"{title}: ECE {error:.1f} %", ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 103))
    lower.bar(
        [width * (m + 0.5) for m in range(bins)],
        [100 * count / total for count in samples],
        width=width,
        color="#5B5B5B",
        **edge,
    )
    lower.axvline(mean_accuracy, color=COLOURS[0], linewidth=1.8, label=f"accuracy {mean_accuracy:.1f} %")
    lower.axvline(
        mean_confidence,
        color="#D55E00",
        linestyle="--",
        linewidth=1.8,
        label=f"mean confidence {mean_confidence:.1f} %",
    )
    lower.set(xlabel="confidence (%)", ylabel="samples (%)", ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return save(figure, path)
