"""Tables of one stream: the scores of its rows, and their differences to the baseline."""

from __future__ import annotations

from lifelong_kd.comparison.page.table import Cell, Heading, Table, column_for, heading_of, number
from lifelong_kd.comparison.render.numbers import Column, cell_of, columns_of, interval, p_value, signed
from lifelong_kd.comparison.render.words import percent, rows_of, score_named, verdict
from lifelong_kd.comparison.types import Comparison, Row

__all__ = ["difference_table", "score_table"]


def score_table(comparison: Comparison, place: str, name: str) -> Table:
    """The scores of a place, a line a strategy."""
    rows = rows_of(comparison, place)
    columns = columns_of(rows, comparison.scores)
    headings = [
        Heading("strategy", "strategy"),
        Heading("seeds", "seeds", True),
        *(heading_of(column) for column in columns),
    ]
    lines = [
        [
            Cell(row.label),
            number(str(len(row.runs)), len(row.runs)),
            *(_score(column, row) for column in columns),
        ]
        for row in rows
    ]
    return Table(name, "Scores", headings, lines)


def _score(column: Column, row: Row) -> Cell:
    summary = row.scores.get(column.score.name)
    cell = cell_of(column, row)
    return number(cell.join(), summary.mean if summary else None, "best" if cell.best else "")


def difference_table(comparison: Comparison, place: str, name: str) -> Table | None:
    """Each row of a place less its baseline, a line a score; None where nothing was tested."""
    found = [difference for difference in comparison.differences if difference.row.place == place]
    if not found:
        return None
    headings = [
        Heading("strategy", "strategy"),
        Heading("baseline", "baseline"),
        Heading("score", "score"),
        Heading("difference", "difference", True),
        Heading("interval", f"{percent(comparison.confidence)} interval"),
        Heading("pairs", "pairs", True),
        Heading("p", "p", True),
        Heading("holm", "Holm p", True),
        Heading("claim", "claim"),
        Heading("note", "note"),
    ]
    rows = rows_of(comparison, place)
    lines = []
    for difference in found:
        score = score_named(comparison, difference.score)
        column = column_for(rows, score)
        said = verdict(difference, score)
        lines.append(
            [
                Cell(difference.row.label),
                Cell(difference.baseline.label),
                Cell(column.heading),
                number(signed(column, difference.mean), difference.mean),
                Cell(interval(column, difference)),
                number(str(difference.pairs), difference.pairs),
                number(p_value(difference.p), difference.p),
                number(p_value(difference.adjusted), difference.adjusted),
                Cell(said, kind=said),
                Cell(difference.note, kind="note"),
            ]
        )
    used = [heading for heading in headings if heading.key != "note" or any(line[-1].text for line in lines)]
    return Table(name, "Differences to the baseline", used, [line[: len(used)] for line in lines])
