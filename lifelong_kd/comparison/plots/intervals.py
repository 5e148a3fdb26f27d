"""Means with their intervals, a line a row, and the differences to the baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lifelong_kd.comparison.plots.look import Look, axis_of, panels, short_labels
from lifelong_kd.comparison.render.words import direction
from lifelong_kd.comparison.types import Comparison, Difference, Row, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_differences", "draw_intervals"]

# Inches: of a panel, of a row in it, and of what stands around the rows.
WIDTH, LINE, AROUND = 2.5, 0.3, 1.0


def draw_intervals(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """A panel a score: each row's mean, interval and seeds; None if no score is known."""
    rows = [row for row in comparison.rows if row.place == place]
    scores = [score for score in comparison.scores if any(_mean(row, score) is not None for row in rows)]
    if not scores:
        return None
    figure, grid = _lines(rows, len(scores))
    for axes, score in zip(grid, scores, strict=True):
        factor, label = axis_of(comparison, rows, score.name)
        for line, row in enumerate(rows):
            mean = _mean(row, score)
            if mean is None:
                continue
            summary, look = row.scores[score.name], styles[row.label]
            seeds = [factor * value for value in summary.values if value is not None]
            if len(seeds) > 1:
                axes.plot(seeds, [line] * len(seeds), ".", color=look.colour, markersize=4, alpha=0.45)
            half = factor * (summary.half_width or 0.0)
            _mark(axes, line, factor * mean, (half, half), look, filled=True)
        axes.set_xlabel(label)
        axes.set_title(direction(score), fontsize=8, color="#777777")
    return figure


def _mean(row: Row, score: Score) -> float | None:
    summary = row.scores.get(score.name)
    mean = summary.mean if summary else None
    return mean if mean is not None and math.isfinite(mean) else None


def draw_differences(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """A panel a tested score: each row minus the baseline, filled where a difference is claimed; None without any."""
    found = [
        difference
        for difference in comparison.differences
        if difference.row.place == place and difference.mean is not None
    ]
    if not found:
        return None
    scores = [score for score in comparison.scores if any(other.score == score.name for other in found)]
    labels = dict.fromkeys(difference.row.label for difference in found)
    rows = [row for row in comparison.rows if row.place == place and row.label in labels]
    lines = {row.label: line for line, row in enumerate(rows)}
    if not scores:
        return None
    figure, grid = _lines(rows, len(scores), 3.4)
    for axes, score in zip(grid, scores, strict=True):
        axes.axvline(0, color="#888888", linewidth=1, zorder=1)
        for difference in found:
            if difference.score == score.name:
                _difference(axes, difference, lines[difference.row.label], score, styles)
        unit = f"\n({'points' if score.unit == '%' else score.unit})" if score.unit else ""
        axes.set_xlabel(f"{score.label} minus that of {short_labels([found[0].baseline], 20)[0]}{unit}")
        axes.set_title(direction(score), fontsize=8, color="#777777")
    return figure


def _difference(axes: Any, difference: Difference, line: int, score: Score, styles: dict[str, Look]) -> None:
    mean = score.scale * (difference.mean or 0.0)
    low, high = (mean if end is None else score.scale * end for end in (difference.low, difference.high))
    around = (max(mean - low, 0.0), max(high - mean, 0.0))
    _mark(axes, line, mean, around, styles[difference.row.label], filled=difference.claimed)


def _mark(
    axes: Any, line: int, mean: float, around: tuple[float, float], look: Look, *, filled: bool
) -> None:
    axes.errorbar(
        [mean],
        [line],
        xerr=[[around[0]], [around[1]]] if any(around) else None,
        color=look.colour,
        marker=look.marker,
        markersize=7,
        markerfacecolor=look.colour if filled else "white",
        capsize=3,
        zorder=3,
    )


def _lines(rows: list[Row], count: int, width: float = WIDTH) -> tuple[Figure, list[Any]]:
    """Panels with a line a row, the first on top, their labels at the left."""
    labels = short_labels(rows)
    figure, grid = panels(count, width, LINE * len(rows) + AROUND, 4 if count > 6 else 3, sharey=True)
    across, down = figure.get_size_inches()
    figure.set_size_inches(across + 0.3 + 0.075 * max(map(len, labels)), down)
    for axes in grid:
        axes.set_yticks(range(len(rows)), labels, fontsize=9)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
        axes.tick_params(axis="x", labelsize=8)
        axes.tick_params(axis="y", left=False)
        axes.locator_params(axis="x", nbins=5)
    return figure, grid
