"""A table of the page: headings, and cells with their text and the value that they are sorted by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lifelong_kd.comparison.render.numbers import Column, columns_of, finite
from lifelong_kd.comparison.render.words import direction
from lifelong_kd.comparison.types import Row, Score

__all__ = ["Cell", "Heading", "Table", "column_for", "heading_of", "number"]


@dataclass(frozen=True)
class Heading:
    """A column: ``key`` names it in the page's address and among the columns that can be switched off."""

    key: str
    text: str
    number: bool = False
    optional: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """``value`` is what it is sorted by, empty where there is none; ``kind`` a class of its look."""

    text: str
    value: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """``name`` is its own in the page."""

    name: str
    title: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]

    @property
    def label(self) -> int:
        """The characters of the longest name of a line."""
        return max((len(row[0].text) for row in self.rows), default=0)


def number(text: str, value: float | None, kind: str = "") -> Cell:
    """A number as it is shown, sorted by its value."""
    known = finite(value)
    if known is None:
        return Cell(text, kind="missing" if text else "")
    return Cell(text, f"{known:.7g}", kind)


def column_for(rows: Sequence[Row], score: Score) -> Column:
    """The column of one score, as it is written where no row has it, too."""
    return next(iter(columns_of(rows, [score])), Column(score, score.scale, score.unit, score.digits))


def heading_of(column: Column) -> Heading:
    """The heading of a score, which can be switched off."""
    score = column.score
    return Heading(score.name, column.heading, True, True, direction(score))
