"""A comparison on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lifelong_kd.comparison.render.grid import Line, draw, fold, fold_name, widths_of
from lifelong_kd.comparison.render.numbers import Column, cell_of, columns_of, interval, p_value, signed
from lifelong_kd.comparison.render.words import (
    about_differences,
    about_scores,
    difference_title,
    differences_of,
    left_out_lines,
    percent,
    rows_of,
    score_named,
    settings_of,
    verdict,
)
from lifelong_kd.comparison.types import Comparison, Difference, Row

__all__ = ["as_text"]

GAP = 2
# No label is folded to less.
LEAST = 12


def as_text(comparison: Comparison, width: int = 100, color: bool = False) -> str:
    """Tables of at most ``width`` characters, a heading a place.

    The best of a place is bold with ``color`` and has a ``*`` without. Columns that do not fit stand in a second
    table, under the same labels; a label that does not fit goes on in the next line.
    """
    parts = []
    for place in comparison.places:
        rows = rows_of(comparison, place)
        parts.append(_title(place, color))
        parts += _scores(comparison, rows, width, color)
        parts += _differences(comparison, place, rows, width, color)
        parts += _settings(comparison, place, "What differs between the configurations", width, color)
    parts += _settings(comparison, None, "What differs between the streams", width, color)
    best = "The best of a stream is bold." if color else "* is the best of its stream."
    parts.append(fold(about_scores(comparison, best), width))
    if comparison.differences:
        parts.append(fold(about_differences(comparison), width))
    warnings = [fold(f"warning: {remark.text}", width) for remark in comparison.remarks]
    left = [fold(f"left out: {line}", width) for line in left_out_lines(comparison.left_out)]
    parts += ["\n".join(lines) for lines in (warnings, left) if lines]
    return "\n\n".join(parts)


def _title(title: str, color: bool) -> str:
    return f"\x1b[1m{title}\x1b[0m" if color else f"{title}\n{'=' * len(title)}"


def _scores(comparison: Comparison, rows: Sequence[Row], width: int, color: bool) -> list[str]:
    labels = [fold_name(row.label, max(width // 3, LEAST)) for row in rows]
    seeds = Line("seeds", [str(len(row.runs)) for row in rows])
    lines = [_line(column, rows, color) for column in columns_of(rows, comparison.scores)]
    first = Line("strategy", labels, left=True)
    blocks = _blocks(first, seeds, lines, width)
    return [
        draw([first, *([seeds] if index == 0 else []), *block], color) for index, block in enumerate(blocks)
    ]


def _line(column: Column, rows: Sequence[Row], color: bool) -> Line:
    cells = [cell_of(column, row) for row in rows]
    marked = any(cell.best for cell in cells) and not color
    # The star has a place of its own, so that the digits of a column stay under one another.
    texts = [cell.join() + (("*" if cell.best else " ") if marked else "") for cell in cells]
    return Line(column.heading, texts, bold=[cell.best for cell in cells], cost=column.cost)


def _blocks(first: Line, seeds: Line, lines: list[Line], width: int) -> list[list[Line]]:
    """The columns in as many tables as it takes; what a strategy costs stays in the first, beside its accuracy."""
    room = width - widths_of([first])[0]
    needed = [GAP + one for one in widths_of(lines)]
    order = list(range(len(lines)))
    beside = GAP + widths_of([seeds])[0]
    if sum(needed) + beside > room:
        # What it costs behind the first score.
        order.sort(key=lambda index: (index != 0, not lines[index].cost))
    blocks: list[list[Line]] = [[]]
    used = beside
    for index in order:
        if blocks[-1] and used + needed[index] > room:
            blocks.append([])
            used = 0
        blocks[-1].append(lines[index])
        used += needed[index]
    return blocks


def _differences(
    comparison: Comparison, place: str, rows: Sequence[Row], width: int, color: bool
) -> list[str]:
    parts = []
    for name, found in differences_of(comparison, place).items():
        column = columns_of(rows, [score_named(comparison, name)])[0]
        parts.append(_difference_table(comparison, column, found, width, color))
    return parts


def _difference_table(
    comparison: Comparison, column: Column, found: Sequence[Difference], width: int, color: bool
) -> str:
    claimed = [verdict(one, column.score) for one in found]
    numbers = [
        Line(
            "difference", [signed(column, one.mean) for one in found], bold=[bool(word) for word in claimed]
        ),
        Line(
            f"{percent(comparison.confidence)} interval",
            [interval(column, one) for one in found],
        ),
        Line("p", [p_value(one.p) for one in found]),
        Line("Holm p", [p_value(one.adjusted) for one in found]),
        Line("pairs", [str(one.pairs) for one in found]),
        Line("claimed", claimed, left=True, bold=[bool(word) for word in claimed]),
    ]
    room = width - sum(GAP + one for one in widths_of(numbers))
    first = Line(
        "strategy", [fold_name(one.row.label, max(min(width // 3, room), LEAST)) for one in found], left=True
    )
    title = difference_title(column, found)
    noted: dict[str, list[str]] = {}
    for one in found:
        noted.setdefault(one.note, []).append(one.row.label)
    notes = [fold(f"{'; '.join(labels)}: {note}", width) for note, labels in noted.items() if note]
    return "\n".join([fold(title, width), draw([first, *numbers], color), *notes])


def _settings(comparison: Comparison, place: str | None, title: str, width: int, color: bool) -> list[str]:
    found = settings_of(comparison, place)
    if not found:
        return []
    keys = [
        key if index == 0 or found[index - 1][0] != key else "" for index, (key, _, _) in enumerate(found)
    ]
    heads = [
        Line("setting", [fold_name(key, max(width // 3, LEAST)) for key in keys], left=True),
        Line("value", [fold_name(value, max(width // 4, LEAST)) for _, value, _ in found], left=True),
    ]
    room = width - sum(GAP + one for one in widths_of(heads))
    whose = Line(
        "strategy" if place is not None else "stream",
        ["\n".join(textwrap.wrap(names, max(room, LEAST), break_on_hyphens=False)) for _, _, names in found],
        left=True,
    )
    return [f"{title}\n{draw([*heads, whose], color)}"]
