"""A comparison as text, Markdown and plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifelong_kd.comparison.groups import Row
from lifelong_kd.comparison.statistics import Interval
from lifelong_kd.training.results import SCORES

__all__ = ["as_data", "as_markdown", "as_text"]

NOTE = "Scores in percent: mean ± half the width of the 95 % t-interval over seeds."


def _short(name: str) -> str:
    return name.removesuffix("_accuracy").removesuffix("_transfer").removeprefix("average_")


def _cells(rows: Sequence[Row], scores: Sequence[str]) -> list[list[str]]:
    table = [["stream", "strategy", "seeds", *scores]]
    for row in rows:
        options = ", ".join(f"{key}={value}" for key, value in row.options.items())
        table.append(
            [
                f"{row.stream} {row.scenario}".strip(),
                f"{row.strategy} ({options})" if options else row.strategy,
                str(len(row.seeds)),
                *(_score(row.scores[name]) for name in SCORES),
            ]
        )
    return table


def _score(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    mean = f"{100 * interval.mean:.2f}"
    return mean if interval.half_width is None else f"{mean} ± {100 * interval.half_width:.2f}"


def as_text(rows: Sequence[Row]) -> str:
    """Aligned columns for a terminal."""
    cells = _cells(rows, [_short(name) for name in SCORES])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*(line.rstrip() for line in lines), "", NOTE])


def as_markdown(rows: Sequence[Row]) -> str:
    """A Markdown table, and what its numbers are."""
    heading, *body = _cells(rows, [name.replace("_", " ") for name in SCORES])
    lines = [heading, ["---"] * len(heading), *body]
    return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", NOTE, ""])


def as_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain data; ``values`` holds each score in the order of ``seeds``."""
    return [
        {
            "stream": row.stream,
            "scenario": row.scenario,
            "strategy": row.strategy,
            "options": row.options,
            "seeds": list(row.seeds),
            "scores": {
                name: None
                if interval is None
                else {"mean": interval.mean, "half_width_95": interval.half_width, "count": interval.count}
                for name, interval in row.scores.items()
            },
            "values": {name: list(values) for name, values in row.values.items()},
        }
        for row in rows
    ]
