"""One score against another: stability against plasticity, accuracy against cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lifelong_kd.comparison.plots.look import Look, axis_of, legend, panels, summary_of
from lifelong_kd.comparison.types import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_cost", "draw_stability"]

# The costs that are drawn, each only where rows differ in it.
COSTS = ("cost/training_seconds", "cost/parameters", "cost/memory_bytes", "cost/peak_memory_bytes")
# Costs whose means are closer than this are the same.
SAME = 0.01


def draw_stability(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """Forgetting against learning accuracy, a mean with its intervals a row, a dot a seed; None without both."""
    rows = _known(comparison, place, "learning_accuracy", "forgetting")
    if not rows:
        return None
    figure, (axes,) = panels(1, 5.8, 4.1, 1)
    _points(axes, comparison, rows, "learning_accuracy", "forgetting", styles)
    _better(axes, right=True, top=False)
    legend(figure, rows, styles, lines=False)
    return figure


def draw_cost(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """Average accuracy against what it cost, a panel a cost, the axis logarithmic beyond a factor of ten."""
    accuracy = "average_accuracy"
    found = [
        (name, rows)
        for name in COSTS
        if (rows := _known(comparison, place, name, accuracy)) and _differ(comparison, rows, name)
    ]
    if not found:
        return None
    figure, grid = panels(len(found), 5.8 if len(found) == 1 else 4.4, 4.1, 2)
    for axes, (name, rows) in zip(grid, found, strict=True):
        factor = _points(axes, comparison, rows, name, accuracy, styles)
        _better(axes, right=False, top=True)
        values = [value for row in rows for run in row.runs if (value := run.value(name)) is not None]
        _scale(axes, [factor * value for value in values], name)
    shown = {row.label: row for _, rows in found for row in rows}
    legend(figure, list(shown.values()), styles, lines=False)
    return figure


def _known(comparison: Comparison, place: str, *names: str) -> list[Row]:
    return [
        row
        for row in comparison.rows
        if row.place == place and all(_finite(summary_of(comparison, row, name).mean) for name in names)
    ]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _differ(comparison: Comparison, rows: list[Row], name: str) -> bool:
    means = [mean for row in rows if (mean := summary_of(comparison, row, name).mean) is not None]
    return len(means) > 1 and max(means) - min(means) > SAME * max(map(abs, means))


def _points(
    axes: Any, comparison: Comparison, rows: list[Row], x: str, y: str, styles: dict[str, Look]
) -> float:
    """Draw each row and name the axes; returns what values along x are multiplied with."""
    (wider, below), (higher, beside) = (axis_of(comparison, rows, name) for name in (x, y))
    for row in rows:
        look = styles[row.label]
        seeds = [
            (wider * across, higher * up)
            for run in row.runs
            if (across := run.value(x)) is not None and (up := run.value(y)) is not None
        ]
        if len(seeds) > 1:
            axes.plot(*zip(*seeds, strict=True), ".", color=look.colour, markersize=4, alpha=0.45, zorder=2)
        (across, wide), (up, high) = (
            (factor * (summary.mean or 0.0), factor * (summary.half_width or 0.0))
            for factor, summary in (
                (wider, summary_of(comparison, row, x)),
                (higher, summary_of(comparison, row, y)),
            )
        )
        axes.errorbar(
            [across],
            [up],
            xerr=[wide] if wide else None,
            yerr=[high] if high else None,
            color=look.colour,
            marker=look.marker,
            markersize=8,
            # A white edge would eat up the markers that are made of bars.
            markeredgecolor=look.colour if look.marker in "PX*" else "white",
            markeredgewidth=0.6,
            elinewidth=1.3,
            capsize=2.5,
            zorder=3,
        )
    axes.margins(0.08)
    axes.grid(alpha=0.3)
    axes.set(xlabel=below, ylabel=beside)
    return wider


def _better(axes: Any, *, right: bool, top: bool) -> None:
    """Name the corner where one would like to be, outside of which nothing is cut off."""
    arrow = {(True, False): "better ↘", (False, True): "↖ better"}[right, top]
    axes.text(
        1.0 if right else 0.0,
        1.015,
        arrow,
        transform=axes.transAxes,
        ha="right" if right else "left",
        color="#777777",
        fontsize=9,
    )


def _scale(axes: Any, values: list[float], name: str) -> None:
    """A logarithmic axis where it spans a factor of ten, with plain numbers on it."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    if values and min(values) > 0 and max(values) > 10 * min(values):
        axes.set_xscale("log")
        decades = math.log10(max(values) / min(values))
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    # A count has no unit that would make it small, nor have sizes too far apart for one.
    count = name == "cost/parameters" or axes.get_xlabel().endswith("(B)")
    axes.xaxis.set_major_formatter(EngFormatter(sep="") if count else lambda value, _: f"{value:g}")
    if axes.get_xscale() == "linear":
        axes.locator_params(axis="x", nbins=6)
