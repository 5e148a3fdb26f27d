"""Critical-difference diagram (Demšar, JMLR 7, 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lifelong_kd.comparison.plots.look import Look, panels, plain, short_labels
from lifelong_kd.comparison.render.words import score_named
from lifelong_kd.comparison.statistics import Ranks
from lifelong_kd.comparison.types import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_ranks"]

SCORE = "average_accuracy"
# Below these the diagram says nothing that the table does not.
STRATEGIES, BLOCKS = 3, 3


def draw_ranks(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """Rows at their mean rank in average accuracy, bars over those not apart; None for too few rows or seeds."""
    from lifelong_kd.comparison.ranking import rank_rows

    ranked = rank_rows(comparison, SCORE, place)
    if ranked is None or len(ranked[0]) < STRATEGIES or ranked[1].blocks < BLOCKS:
        return None
    labels, ranks = ranked
    by_label = {row.label: row for row in comparison.rows if row.place == place}
    rows = [by_label[label] for label in labels]
    half = -(-len(rows) // 2)
    first = 1.1 + 0.45 * len(ranks.groups)
    widest = max(map(len, short_labels(rows)))
    figure, (axes,) = panels(1, 5.5 + 0.15 * widest, 0.9 + 0.26 * (first + half), 1)
    axes.set_axis_off()
    axes.set(xlim=(0.98, len(rows) + 0.02), ylim=(first + half - 0.3, -1.6))
    _scale(axes, len(rows), ranks.critical_difference)
    for level, group in enumerate(ranks.groups):
        ends = [ranks.means[group[0]] - 0.04, ranks.means[group[-1]] + 0.04]
        axes.plot(ends, [0.7 + 0.45 * level] * 2, color="#777777", linewidth=4, solid_capstyle="round")
    _names(axes, rows, ranks, first, styles)
    axes.set_title(
        plain(
            f"mean rank in {score_named(comparison, SCORE).label} over {ranks.blocks} seeds, "
            f"CD = {ranks.critical_difference:.2f} (level {comparison.level:g}), Friedman p {_p(ranks.p)}"
        ),
        fontsize=9,
    )
    return figure


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _scale(axes: Any, count: int, distance: float) -> None:
    """The axis of ranks and, above it, how far apart is apart."""
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, -0.25], color="black", linewidth=1)
        axes.text(rank, -0.35, str(rank), ha="center", va="bottom", fontsize=8)
    if distance <= count - 1:
        axes.errorbar(
            [1 + distance / 2], [-1.35], xerr=distance / 2, color="#777777", capsize=4, linewidth=1.5
        )
        axes.text(1 + distance + 0.012 * count, -1.35, "CD", va="center", color="#777777", fontsize=8)


def _names(axes: Any, rows: Sequence[Row], ranks: Ranks, first: float, styles: dict[str, Look]) -> None:
    """The better half at the left, the others at the right, lines that never cross."""
    order = sorted(range(len(rows)), key=lambda index: (ranks.means[index], index))
    labels = short_labels(rows)
    half = -(-len(rows) // 2)
    for place, index in enumerate(order):
        rank, look = ranks.means[index], styles[rows[index].label]
        left = place < half
        down = first + (place if left else len(rows) - 1 - place)
        side = 1.0 if left else float(len(rows))
        axes.plot([rank, rank, side], [0, down, down], color=look.colour, linewidth=1, zorder=1)
        axes.plot([rank], [0], color=look.colour, marker=look.marker, markersize=7, clip_on=False, zorder=3)
        axes.annotate(
            f"{labels[index]}  {rank:.2f}" if left else f"{rank:.2f}  {labels[index]}",
            (side, down),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=9,
        )
