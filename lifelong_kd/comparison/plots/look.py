"""What the plots of a comparison share: colours and markers, short labels, axes, the legend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lifelong_kd.comparison.render.numbers import columns_of
from lifelong_kd.comparison.render.words import score_named
from lifelong_kd.comparison.summaries import summarise
from lifelong_kd.comparison.types import Comparison, Row, Summary
from lifelong_kd.evaluation.plots import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Look", "axis_of", "legend", "looks", "panels", "plain", "short_labels", "summary_of"]

Line = Literal["-", "--", ":", "-."]
LINES: tuple[Line, ...] = ("-", "--", ":", "-.")
# Characters of a label beside a plot.
LABEL = 36


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn, in every plot the same."""

    colour: str
    marker: str
    line: Line


def looks(comparison: Comparison) -> dict[str, Look]:
    """A look for each label, the same in all places; the marker moves on where the colours begin again."""
    labels = dict.fromkeys(row.label for row in comparison.rows)
    return {label: _look(index) for index, label in enumerate(labels)}


def _look(index: int) -> Look:
    again, colour = divmod(index, len(COLOURS))
    marker = MARKERS[(index + 3 * again) % len(MARKERS)]
    return Look(COLOURS[colour], marker, LINES[again % len(LINES)])


def plain(text: str) -> str:
    r"""Text of one line in which matplotlib reads no formula.

    >>> plain("cost $x$")
    'cost \\$x\\$'
    """
    return re.sub(r"\s+", " ", text).replace("$", r"\$")


def short_labels(rows: Sequence[Row], width: int = LABEL) -> list[str]:
    """The labels of ``rows`` with at most ``width`` characters, numbered where two would be the same."""
    short = [_short(row.label, width) for row in rows]
    return [
        plain(text if short.count(text) == 1 else f"{_short(text, width - 5)} [{short[: i + 1].count(text)}]")
        for i, text in enumerate(short)
    ]


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip(" ,(") + "…"


def summary_of(comparison: Comparison, row: Row, name: str) -> Summary:
    """Mean and interval of a score of a row, also of one that is not among the comparison's columns."""
    return row.scores.get(name) or summarise(row, name, comparison.confidence)


def axis_of(comparison: Comparison, rows: Sequence[Row], name: str) -> tuple[float, str]:
    """What values of a score are multiplied with to be drawn, and the axis' label with the unit they then have."""
    score = score_named(comparison, name)
    column = next(iter(columns_of(rows, [score])), None)
    if column is None or column.mixed:
        return score.scale, plain(f"{score.label} ({score.unit})" if score.unit else score.label)
    return column.factor, plain(column.heading)


def panels(count: int, width: float, height: float, columns: int, **options: Any) -> tuple[Figure, list[Any]]:
    """A figure with ``count`` panels of so many inches in rows of at most ``columns``, and their axes."""
    from matplotlib.figure import Figure

    across = min(count, columns)
    down = -(-count // across)
    figure = Figure(figsize=(width * across, height * down), layout="constrained", dpi=120)
    grid = figure.subplots(down, across, squeeze=False, **options)
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def legend(figure: Figure, rows: Sequence[Row], styles: dict[str, Look], *, lines: bool = True) -> None:
    """Below the figure, which grows by as much, the look of each row."""
    from matplotlib.lines import Line2D

    labels = short_labels(rows)
    width, height = figure.get_size_inches()
    down = -(-len(labels) // max(1, int(width / (0.55 + 0.075 * max(map(len, labels))))))
    figure.set_size_inches(width, height + 0.22 * down + 0.1)
    handles = [
        Line2D(
            [], [], color=look.colour, marker=look.marker, linestyle=look.line if lines else "", markersize=6
        )
        for look in (styles[row.label] for row in rows)
    ]
    # Set afterwards, since a legend leaves out labels that begin with an underscore.
    drawn = figure.legend(
        handles,
        ["label"] * len(labels),
        loc="outside lower center",
        ncols=-(-len(labels) // down),
        fontsize=9,
        frameon=False,
    )
    for text, label in zip(drawn.get_texts(), labels, strict=True):
        text.set_text(label)
