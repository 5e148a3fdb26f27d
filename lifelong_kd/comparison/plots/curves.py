"""Average accuracy after each task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lifelong_kd.comparison.plots.look import Look, legend, panels
from lifelong_kd.comparison.statistics import Interval, t_interval
from lifelong_kd.comparison.types import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curve_of", "draw_curves"]


def curve_of(row: Row, confidence: float = 0.95) -> list[Interval | None]:
    """The interval over seeds of A_i = mean over j <= i of R[i][j], for each task i; None where no run has it."""
    curves = [
        [_mean(line[: task + 1]) for task, line in enumerate(run.matrix)] for run in row.runs if run.matrix
    ]
    points: list[Interval | None] = []
    for task in range(max(map(len, curves), default=0)):
        known = [value for curve in curves if task < len(curve) and (value := curve[task]) is not None]
        points.append(t_interval(known, confidence) if known else None)
    return points


def _mean(cells: tuple[float | None, ...]) -> float | None:
    known = [cell for cell in cells if cell is not None and math.isfinite(cell)]
    return math.fsum(known) / len(known) if cells and len(known) == len(cells) else None


def draw_curves(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """A line a row with the band of its interval over seeds; None if no run has an accuracy matrix."""
    curves = {
        row.label: (row, points)
        for row in comparison.rows
        if row.place == place and any(points := curve_of(row, comparison.confidence))
    }
    if not curves:
        return None
    figure, (axes,) = panels(1, 6.0, 3.9, 1)
    tasks = max(len(points) for _, points in curves.values())
    shade = 0.16 if len(curves) <= 6 else 0.07
    for row, points in curves.values():
        look = styles[row.label]
        known = [(task, point) for task, point in enumerate(points) if point is not None]
        x = [task + 1 for task, _ in known]
        y = [100 * point.mean for _, point in known]
        half = [100 * (point.half_width or 0.0) for _, point in known]
        axes.plot(
            x, y, color=look.colour, marker=look.marker, linestyle=look.line, markersize=5, linewidth=1.6
        )
        if tasks == 1:
            axes.errorbar(x, y, half if any(half) else None, color=look.colour, linestyle="", capsize=4)
        elif any(half):
            low = [max(0.0, mean - width) for mean, width in zip(y, half, strict=True)]
            high = [min(100.0, mean + width) for mean, width in zip(y, half, strict=True)]
            axes.fill_between(x, low, high, color=look.colour, alpha=shade, linewidth=0)
    axes.set_xticks(range(1, tasks + 1))
    low, high = axes.get_ylim()
    axes.set(
        xlabel="tasks learned", ylabel="average accuracy on them (%)", ylim=(max(low, -2), min(high, 102))
    )
    axes.grid(alpha=0.3)
    legend(figure, [row for row, _ in curves.values()], styles)
    return figure
