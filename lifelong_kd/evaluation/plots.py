"""Figures of a run, saved as PNG; matplotlib is imported when one is drawn.

Colours are those of Okabe and Ito and of the maps cividis and viridis, which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import NUMBERED, heat, named, new_figure, save, set_ticks, side
from lifelong_kd.evaluation.scores import average_accuracy_curve, forgetting_per_task

__all__ = ["plot_accuracy_curves", "plot_accuracy_matrix", "plot_confusion", "plot_forgetting"]

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#5B5B5B")
MARKERS = "osD^vPX*"


def _rows(R: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(R, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise BadCall(f"there is nothing to plot in an accuracy matrix of shape {values.shape}.")
    return values


def plot_accuracy_matrix(
    R: ArrayLike, path: Path | str, *, title: str = "Accuracy matrix", names: Sequence[str] | None = None
) -> Path:
    """Heat map of R[i][j] in percent, a line along the diagonal of what was just learned; returns the path.

    Args:
        R: the accuracy matrix, (tasks learned, tasks).
        path: where the PNG goes; written atomically.
        title: what stands above it.
        names: names of the tasks, otherwise their numbers.

    Raises:
        BadCall: for an empty matrix, or names that do not fit.
    """
    from matplotlib.patches import Rectangle

    values = 100 * _rows(R)
    labels = named(names, values.shape[1])
    figure, axes = new_figure(max(5.0, side(values.shape[1]) + 1.4), max(3.2, side(len(values)) + 0.6))
    heat(figure, axes, values, [[f"{v:.0f}" for v in row] for row in values], "accuracy (%)")
    for i in range(len(values)):
        axes.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.5))
    set_ticks(axes, labels[: len(values)], labels)
    axes.set(title=title, xlabel="test task", ylabel="after task")
    return save(figure, path)


def plot_accuracy_curves(R: ArrayLike, path: Path | str, *, title: str = "Accuracy after each task") -> Path:
    """The accuracy of each task from when it was learned, and the average over the tasks seen; returns the path.

    Args:
        R: the accuracy matrix, (tasks learned, tasks).
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: for an empty matrix.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    values = 100 * _rows(R)
    learned = len(values)
    few = learned <= len(COLOURS)
    # The last tenth of viridis is too pale on white.
    shades = colormaps["viridis"].resampled(round(learned / 0.9))
    figure, axes = new_figure(8.0, 4.5)
    for j in range(learned):
        axes.plot(
            range(j, learned),
            values[j:, j],
            color=COLOURS[j] if few else shades(j),
            marker=MARKERS[j % len(MARKERS)] if few else ".",
            markersize=5,
            linewidth=1.2,
            label=f"task {j}" if few else None,
        )
    average = [100 * value for value in average_accuracy_curve(R)]
    axes.plot(range(learned), average, color="black", marker="_", linewidth=3, label="average of tasks seen")
    axes.set_xticks(range(0, learned, -(-learned // 20)))
    axes.set(title=title, xlabel="after task", ylabel="test accuracy (%)", ylim=(-3, 103))
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    if few:
        figure.legend(
            [handles[-1], *handles[:-1]], [labels[-1], *labels[:-1]], loc="outside right upper", fontsize=9
        )
    else:
        # Too many tasks for a legend: a bar tells them by their shade.
        bounds = np.arange(learned + 1) - 0.5
        mapping = ScalarMappable(
            BoundaryNorm(bounds, learned), ListedColormap([shades(j) for j in range(learned)])
        )
        bar = figure.colorbar(mapping, ax=axes, label="test task")
        bar.set_ticks(range(0, learned, -(-learned // 10)))
        bar.minorticks_off()
        figure.legend(loc="outside lower center")
    return save(figure, path)


def plot_forgetting(R: ArrayLike, path: Path | str, *, title: str = "Forgetting of each task") -> Path:
    """Bars of how far each task fell from its best (Chaudhry 2018), and their mean; returns the path.

    Args:
        R: the accuracy matrix, (tasks learned, tasks), of at least two tasks.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: if there are fewer than two rows.
    """
    falls = [100 * fall for fall in forgetting_per_task(R)]
    if not falls:
        raise BadCall("forgetting is defined from the second task on; there is nothing to plot yet.")
    count, mean = len(falls), float(np.mean(falls))
    figure, axes = new_figure(max(5.0, 2.0 + 0.5 * min(count, NUMBERED)), 4.0)
    bars = axes.bar(range(count), falls, color="#0072B2", width=0.7)
    # Behind few wide bars, whose numbers it would cross; before many, which would hide it.
    layer = 0 if count <= NUMBERED else 3
    axes.axhline(mean, color="#D55E00", linestyle="--", label=f"mean {mean:.1f} %", zorder=layer)
    axes.axhline(0, color="black", linewidth=0.8)
    if count <= NUMBERED:
        # On white, so that the line of the mean does not cross a number.
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.bar_label(bars, [f"{fall:.0f}" for fall in falls], padding=3, fontsize=9, bbox=white)
    axes.set_xticks(range(0, count, -(-count // NUMBERED)))
    axes.margins(y=0.15)
    axes.set(
        title=title,
        xlabel="test task",
        ylabel=f"points lost from best, after task {count}",
        xlim=(-1, count) if count < 3 else (-0.6, count - 0.4),
    )
    figure.legend(loc="outside lower center")
    return save(figure, path)


def plot_confusion(
    matrix: ArrayLike,
    path: Path | str,
    *,
    title: str = "Confusion matrix",
    names: Sequence[str] | None = None,
) -> Path:
    """Heat map of a confusion matrix: colours are shares of the true class, numbers are counts; returns the path.

    Args:
        matrix: (classes, classes) of counts, rows true, columns predicted.
        path: where the PNG goes; written atomically.
        title: what stands above it.
        names: names of the classes, otherwise their numbers.

    Raises:
        BadCall: for a matrix that is not square, or names that do not fit.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise BadCall(f"a confusion matrix is square, found shape {counts.shape}.")
    labels = named(names, len(counts))
    # A class without samples has a row of zeros, not of 0/0.
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    height = max(4.0, side(len(counts)))
    figure, axes = new_figure(height + 1.2, height)
    heat(figure, axes, shares, [[str(int(v)) for v in row] for row in counts], "share of the true class (%)")
    set_ticks(axes, labels, labels)
    axes.set(title=title, xlabel="predicted class (numbers: samples)", ylabel="true class")
    return save(figure, path)
