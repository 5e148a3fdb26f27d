"""A comparison as text, Markdown and plain data."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from lifelong_kd.comparison.groups import Row
from lifelong_kd.comparison.statistics import Interval
from lifelong_kd.training.results import SCORES

__all__ = ["as_data", "as_markdown", "as_text"]

# Characters: of a line on a terminal, of a label, and of the shortest label that is still worth reading.
WIDTH, LABEL, LEAST = 100, 40, 10
NOTE = "Scores in percent: mean ± half the width of the 95 % t-interval over seeds."


def _short(name: str) -> str:
    return name.removesuffix("_accuracy").removesuffix("_transfer").removeprefix("average_")


def _place(row: Row) -> str:
    return f"{row.stream} {row.scenario}".strip()


def _full(row: Row) -> str:
    options = ", ".join(f"{key.removesuffix('.name')}={_value(value)}" for key, value in row.options.items())
    return f"{row.strategy} ({options})" if options else row.strategy


def _value(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _brief(row: Row) -> str:
    """The strategy and its settings, each by the last word of its key where that is clear; a component by its own."""
    last = [key.removesuffix(".name").rpartition(".")[2] for key in row.options]
    names = [word if last.count(word) == 1 else key for word, key in zip(last, row.options, strict=True)]
    options = ", ".join(
        f"{name}={_value(value)}" for name, value in zip(names, row.options.values(), strict=True)
    )
    return f"{row.strategy} ({options})" if options else row.strategy


def _labels(rows: Sequence[Row], width: int) -> tuple[list[str], list[str]]:
    """A label of at most ``width`` characters a row; a shortened one has a number and a full note."""
    labels: list[str] = []
    notes: list[str] = []
    for row in rows:
        label = _brief(row)
        if len(label) > width:
            mark = f" [{len(notes) + 1}]"
            label = label[: max(width - len(mark) - 1, 1)].rstrip(" ,(") + "…" + mark
            notes.append(f"{mark.strip()} {_place(row)}: {_full(row)}")
        labels.append(label)
    return labels, notes


def _numbers(row: Row, sign: str) -> list[str]:
    return [str(len(row.seeds)), *(_score(row.scores[name], sign) for name in SCORES)]


def _score(interval: Interval | None, sign: str) -> str:
    if interval is None:
        return "-"
    mean = f"{100 * interval.mean:.2f}"
    return mean if interval.half_width is None else f"{mean}{sign}{100 * interval.half_width:.2f}"


def as_text(rows: Sequence[Row]) -> str:
    """Aligned columns for a terminal of 100, a heading a stream; settings that do not fit stand below."""
    heading = ["seeds", *(_short(name) for name in SCORES)]
    for sign in (" ± ", "±"):
        numbers = [heading, *(_numbers(row, sign) for row in rows)]
        widths = [max(len(line[column]) for line in numbers) for column in range(len(heading))]
        left = WIDTH - sum(widths) - 2 * len(widths)
        if all(len(_brief(row)) <= min(left, LABEL) for row in rows):
            break
    labels, notes = _labels(rows, max(min(left, LABEL), LEAST))
    first = max(len(label) for label in ("strategy", *labels))
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip([label, *cells], [first, *widths], strict=True))
        for label, cells in zip(["strategy", *labels], numbers, strict=True)
    ]
    text = [lines[0], "  ".join("-" * width for width in (first, *widths))]
    for index, (row, line) in enumerate(zip(rows, lines[1:], strict=True)):
        if index == 0 or _place(row) != _place(rows[index - 1]):
            text.append(f"{_place(row)}:")
        text.append(line)
    below = [textwrap.fill(note, WIDTH, subsequent_indent="    ", break_on_hyphens=False) for note in notes]
    return "\n".join([*(line.rstrip() for line in text), "", *below, *([""] if below else []), NOTE])


def as_markdown(rows: Sequence[Row]) -> str:
    """A Markdown table, the settings that its labels leave out, and what its numbers are."""
    heading = ["stream", "strategy", "seeds", *(name.replace("_", " ") for name in SCORES)]
    labels, notes = _labels(rows, LABEL)
    body = [[_place(row), label, *_numbers(row, " ± ")] for row, label in zip(rows, labels, strict=True)]
    lines = [heading, ["---"] * len(heading), *body]
    below = [line for note in notes for line in (note, "")]
    return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", *below, NOTE, ""])


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
