"""Tables of everything: what differs between the configurations, and every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lifelong_kd.comparison.page.table import Cell, Heading, Table, column_for, heading_of, number
from lifelong_kd.comparison.render.numbers import Column
from lifelong_kd.comparison.render.words import score_named, setting
from lifelong_kd.comparison.types import Comparison, Score, Summary

__all__ = ["run_table", "setting_table"]


def setting_table(comparison: Comparison) -> Table | None:
    """A line a row with the settings that are not the same in all; None where none differs."""
    if not comparison.varying:
        return None
    headings = [
        Heading("strategy", "strategy"),
        Heading("place", "stream"),
        *(Heading(key, key, _numeric(values)) for key, values in comparison.varying.items()),
    ]
    lines = [
        [
            Cell(row.label),
            Cell(row.place),
            *(_setting(values[index], _numeric(values)) for values in comparison.varying.values()),
        ]
        for index, row in enumerate(comparison.rows)
    ]
    return Table("settings", "What differs between the configurations", headings, lines)


def _numeric(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )


def _setting(value: Any, numeric: bool) -> Cell:
    if value is None:
        return Cell("")
    return number(setting(value), value) if numeric else Cell(setting(value))


def run_table(comparison: Comparison) -> Table:
    """Every run with all that is known of it."""
    known = dict.fromkeys(
        name
        for row in comparison.rows
        for run in row.runs
        for name in run.names
        if run.value(name) is not None
    )
    shown = [score.name for score in comparison.scores]
    names = [*(name for name in shown if name in known), *(name for name in known if name not in shown)]
    columns = [_run_column(comparison, score_named(comparison, name)) for name in names]
    headings = [
        Heading("run", "run"),
        Heading("strategy", "strategy"),
        Heading("place", "stream"),
        Heading("seed", "seed", True),
        *(heading_of(column) for column in columns),
        Heading("source", "source", optional=True),
    ]
    lines = [
        [
            Cell(run.name),
            Cell(row.label),
            Cell(row.place),
            number(str(run.seed), run.seed),
            *(_value(column, run.value(column.score.name)) for column in columns),
            Cell(run.source),
        ]
        for row in comparison.rows
        for run in row.runs
    ]
    return Table("runs", "Runs", headings, lines)


def _run_column(comparison: Comparison, score: Score) -> Column:
    """The column of a score of runs, in the unit of the smallest."""
    alone = [
        replace(row, runs=(run,), scores={score.name: Summary((value,), value, None)})
        for row in comparison.rows
        for run in row.runs
        if (value := run.value(score.name)) is not None
    ]
    return column_for(alone, score)


def _value(column: Column, value: float | None) -> Cell:
    if value is None:
        return Cell("")
    near = column.near(value)
    return number(near.write(value) + (f" {near.unit}" if column.mixed else ""), value)
