"""Figures of what was forgotten in the features and what in the head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import NUMBERED, new_figure, save
from lifelong_kd.evaluation.plots import COLOURS

__all__ = ["plot_forgetting_by_depth"]

# Beyond this many tasks two numbers over each pair of bars would run into each other.
FEW = 10


def plot_forgetting_by_depth(
    shallow: Sequence[float | None],
    deep: Sequence[float | None],
    path: Path | str,
    *,
    title: str = "Forgetting in the outputs and in the features",
) -> Path:
    """Two bars for each earlier task: what its outputs lost and what a probe of its features lost; returns the path.

    The dashed lines are the means. What the first bar has above the second is the head's.

    Args:
        shallow: F_shallow of each earlier task, see ``lifelong_kd.evaluation.representation``.
        deep: F_deep of each earlier task; no bar where it is ``None``.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: if there are no earlier tasks, or the two do not fit.
    """
    if not shallow or len(shallow) != len(deep):
        raise BadCall(
            f"shallow and deep forgetting are of the same earlier tasks, found {len(shallow)} and {len(deep)}."
        )
    count = len(shallow)
    figure, axes = new_figure(max(5.5, 2.0 + 0.75 * min(count, 12)), 4.2)
    layer = 0 if count <= FEW else 3
    rows = (("outputs (shallow)", shallow, COLOURS[0], -1), ("features (deep)", deep, COLOURS[1], 1))
    for name, values, colour, side in rows:
        known = [(place, 100 * value) for place, value in enumerate(values) if value is not None]
        if not known:
            continue
        places = [place + 0.19 * side for place, _ in known]
        heights = [height for _, height in known]
        bars = axes.bar(places, heights, color=colour, width=0.36, label=name)
        mean = float(np.mean(heights))
        axes.axhline(
            mean, color=colour, linestyle="--", linewidth=1.2, label=f"mean {mean:.1f} points", zorder=layer
        )
        if count <= FEW:
            white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axes.bar_label(bars, [f"{height:.0f}" for height in heights], padding=3, fontsize=9, bbox=white)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(0, count, -(-count // NUMBERED)))
    axes.margins(y=0.15)
    axes.set(
        title=title,
        xlabel="test task",
        ylabel=f"points lost since learned,\nafter task {count}",
        xlim=(-1, count) if count < 3 else (-0.6, count - 0.4),
    )
    figure.legend(loc="outside lower center", ncols=2)
    return save(figure, path)
