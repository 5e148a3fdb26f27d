"""A comparison as CSV: a line a run, or a line a row and score, numbers as they are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from lifelong_kd.comparison.render.numbers import finite
from lifelong_kd.comparison.types import Comparison

__all__ = ["as_csv", "as_summary_csv"]

RUN = ("place", "stream", "scenario", "strategy", "label", "options", "seed", "name", "source")
SUMMARY = ("place", "strategy", "label", "score", "mean", "half_width", "values", "seeds", "best")


def as_csv(comparison: Comparison) -> str:
    """A line a run: where it belongs, then every score and, as ``cost/...``, every cost that any run has.

    Shares, not percent; seconds and bytes. ``options`` is JSON; what a run does not have is empty.
    """
    runs = [(row, run) for row in comparison.rows for run in row.runs]
    known = {name for _, run in runs for name in run.names}
    shown = [score.name for score in comparison.scores if score.name in known]
    names = [*shown, *sorted(known - set(shown))]
    lines = [
        [
            *(row.place, run.stream, run.scenario, run.strategy, row.label),
            json.dumps(dict(row.options), default=str),
            *(run.seed, run.name, run.source),
            *(run.value(name) for name in names),
        ]
        for row, run in runs
    ]
    return _write([*RUN, *names], lines)


def as_summary_csv(comparison: Comparison) -> str:
    """A line a row and score: mean, half of the interval's width, how many values of how many seeds."""
    lines = [
        [
            *(row.place, row.strategy, row.label, score.name),
            *(finite(summary.mean), finite(summary.half_width), summary.count, len(row.runs)),
            str(summary.best).lower(),
        ]
        for row in comparison.rows
        for score in comparison.scores
        if (summary := row.scores.get(score.name)) is not None
    ]
    return _write(SUMMARY, lines)


def _write(heading: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(lines)
    return written.getvalue()
