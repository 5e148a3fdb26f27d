"""How a number is written: its unit, its digits, its sign."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lifelong_kd.comparison.types import Difference, Row, Score

__all__ = ["MISSING", "Cell", "Column", "cell_of", "columns_of", "finite", "interval", "p_value", "signed"]

MISSING = "-"

# From small to large: how many of the score's own unit make one, and its name.
_STEPS = {
    "s": ((1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d")),
    "B": ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")),
}
# Means so many times apart have no unit in common; decimals that anybody reads.
_FAR, _MOST_DIGITS = 1000, 6


@dataclass(frozen=True)
class Column:
    """A score of all rows of a place, in one unit: a value is written times ``factor``, to ``digits`` decimals.

    ``mixed`` is true for times or sizes too far apart for one unit: then each value has its own.
    """

    score: Score
    factor: float
    unit: str
    digits: int
    mixed: bool = False

    @property
    def cost(self) -> bool:
        """Whether this is what a strategy costs and not how well it does."""
        return self.score.name.startswith("cost/")

    @property
    def heading(self) -> str:
        """The score's label and, where there is one, its unit."""
        return f"{self.score.label} ({self.unit})" if self.unit else self.score.label

    def near(self, value: float) -> Column:
        """Itself or, if mixed, the column in the unit of ``value``."""
        return _in_unit(self.score, abs(value) or 1.0) if self.mixed else self

    def write(self, value: float) -> str:
        """The value in this column's unit, without its name."""
        written = f"{self.factor * value:.{self.digits}f}"
        return written.removeprefix("-") if float(written) == 0 else written


@dataclass(frozen=True)
class Cell:
    """A summary in writing: ``mean`` is ``None`` where there is no value, ``half`` where there is but one.

    ``count`` says how many of the seeds have the score where some have not, and is empty otherwise; ``unit`` is
    empty where the heading has it.
    """

    mean: str | None
    half: str | None = None
    count: str = ""
    best: bool = False
    unit: str = ""

    def join(self, sign: str = " ± ") -> str:
        """Mean and half width with the sign between them, and how many seeds where not all."""
        if self.mean is None:
            return MISSING
        number = self.mean if self.half is None else f"{self.mean}{sign}{self.half}"
        return " ".join(
            [number, *([self.unit] if self.unit else []), *([f"({self.count})"] if self.count else [])]
        )


def columns_of(rows: Sequence[Row], scores: Iterable[Score]) -> list[Column]:
    """A column for each score that a row has: times and sizes in a unit that suits the smallest mean."""
    means = {score: [_mean(row, score) for row in rows] for score in scores}
    return [
        _column(score, found) for score, found in means.items() if any(mean is not None for mean in found)
    ]


def _column(score: Score, means: Sequence[float | None]) -> Column:
    if score.unit not in _STEPS:
        return Column(score, score.scale, score.unit, score.digits)
    known = [abs(mean) for mean in means if mean]
    least, most = min(known, default=1.0), max(known, default=1.0)
    # In the unit of the smallest none becomes 0.00; the largest must not get a dozen digits by it.
    return Column(score, 1.0, "", 0, mixed=True) if most / least >= _FAR else _in_unit(score, least)


def _in_unit(score: Score, value: float) -> Column:
    """In the largest unit of which the value is half at least, with three significant digits of it."""
    steps = _STEPS[score.unit]
    size, unit = [(size, unit) for size, unit in steps if size <= max(2 * value, steps[0][0])][-1]
    digits = 2 - math.floor(math.log10(value / size))
    return Column(score, 1 / size, unit, min(max(digits, 0), _MOST_DIGITS))


def cell_of(column: Column, row: Row) -> Cell:
    """What stands in a row of a column."""
    summary = row.scores.get(column.score.name)
    mean = _mean(row, column.score)
    if summary is None or mean is None:
        return Cell(None)
    near = column.near(mean)
    column, unit = near, near.unit if column.mixed else ""
    half = finite(summary.half_width)
    count = "" if summary.count == len(row.runs) else f"{summary.count} of {len(row.runs)}"
    written = None if half is None else column.write(half)
    return Cell(column.write(mean), written, count, summary.best, unit)


def _mean(row: Row, score: Score) -> float | None:
    summary = row.scores.get(score.name)
    return None if summary is None else finite(summary.mean)


def finite(value: float | None) -> float | None:
    """The value, or ``None`` where it is no number."""
    return value if value is not None and math.isfinite(value) else None


def signed(column: Column, value: float | None) -> str:
    """A difference in the unit of its column, with its sign."""
    if finite(value) is None or value is None:
        return MISSING
    near = column.near(value)
    written = near.write(value)
    sign = "" if written.startswith("-") or float(written) == 0 else "+"
    return f"{sign}{written}" + (f" {near.unit}" if column.mixed else "")


def interval(column: Column, difference: Difference) -> str:
    """The two ends of a difference's interval."""
    low, high = signed(column, difference.low), signed(column, difference.high)
    return MISSING if MISSING in (low, high) else f"[{low}, {high}]"


def p_value(value: float | None) -> str:
    """Three decimals, or that it is smaller than these show.

    >>> p_value(0.0123), p_value(0.00004), p_value(None)
    ('0.012', '<0.001', '-')
    """
    if finite(value) is None or value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
