"""The heat map of accuracy under corruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import heat, named, new_figure, save, set_ticks, side

__all__ = ["plot_corruptions"]


def plot_corruptions(
    accuracy: ArrayLike,
    path: Path | str,
    *,
    families: Sequence[str],
    severities: Sequence[int],
    clean: float | None = None,
    title: str = "Accuracy under corruption",
) -> Path:
    """Heat map of the accuracy in percent by family and severity, severity 0 for clean data; returns the path.

    Args:
        accuracy: (families, severities), each in [0, 1].
        path: where the PNG goes; written atomically.
        families: names of the rows.
        severities: of the columns.
        clean: accuracy on the same samples as they are, for a column of its own.
        title: what stands above it.

    Raises:
        BadCall: for an empty table, or names that do not fit.
    """
    values = 100 * np.asarray(accuracy, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise BadCall(f"there is nothing to plot in accuracies of shape {values.shape}.")
    rows = named(families, len(values))
    columns = named([str(severity) for severity in severities], values.shape[1])
    if clean is not None:
        values = np.concatenate([np.full((len(values), 1), 100 * clean), values], axis=1)
        columns = ["0", *columns]
    figure, axes = new_figure(max(5.0, side(values.shape[1]) + 1.6), max(3.0, side(len(values)) + 0.6))
    heat(figure, axes, values, [[f"{v:.0f}" for v in row] for row in values], "accuracy (%)")
    set_ticks(axes, rows, columns)
    if clean is not None:
        axes.axvline(0.5, color="white", linewidth=3)
    axes.set(title=title, xlabel="severity (0: the same samples, clean)" if clean is not None else "severity")
    return save(figure, path)
