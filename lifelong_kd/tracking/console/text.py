"""How the console writes numbers: one task a row, the scores at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lifelong_kd.tracking.base import Value, number

__all__ = [
    "COLUMNS",
    "TaskRow",
    "duration",
    "percent",
    "plain_row",
    "score_lines",
    "shorten",
    "table_lines",
    "wrapped",
]

WIDTH = 100
MISSING = "-"

# Heading, key of the value, width in plain text. What is no text and no duration is shown in percent.
COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("classes", "task/classes", 20),
    ("train", "task/train_accuracy", 7),
    ("valid", "task/validation_accuracy", 7),
    ("test", "task/test_accuracy", 7),
    ("average", "score/average_accuracy", 9),
    ("forgetting", "score/forgetting", 12),
    ("time", "task/seconds", 11),
)

# The scores shown at the end, in this order, by the names that results.json and W&B's summary give them.
SCORES: tuple[tuple[str, str], ...] = (
    ("average_accuracy", "average accuracy"),
    ("average_incremental_accuracy", "average incremental accuracy"),
    ("learning_accuracy", "learning accuracy"),
    ("forgetting", "forgetting"),
    ("backward_transfer", "backward transfer"),
    ("forward_transfer", "forward transfer"),
    # Of the families that are off unless somebody asks for them: what they found should be seen without a file.
    ("robustness/corruption_accuracy", "accuracy under corruption"),
    ("robustness/corruption_forgetting", "forgetting under corruption"),
    ("outliers/ood_auroc_softmax", "AUROC of later classes"),
    ("representation/deep_forgetting", "forgetting in the features"),
    ("stability/min_accuracy", "min-ACC"),
    ("stability/stability_gap_depth", "depth of the stability gap"),
)
LABEL = 30


@dataclass
class TaskRow:
    """One task of the table; ``values`` are the logged ones by their keys."""

    task: int
    values: dict[str, Value] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """The row as text, in the order of ``COLUMNS``."""
        return [_cell(key, self.values.get(key), width) for _, key, width in COLUMNS]

    def by_task(self) -> list[tuple[int, float]]:
        """Test accuracy on each task after this one, by task."""
        found = []
        for key, value in self.values.items():
            start, _, task = key.rpartition("/")
            if start == "task/accuracy" and task.isdigit() and isinstance(value, float | int):
                found.append((int(task), float(value)))
        return sorted(found)


def _cell(key: str, value: object, width: int) -> str:
    value = number(value)
    if value is None:
        return MISSING
    if key == "task/classes":
        return shorten(str(value), width - 2)
    if not isinstance(value, float | int):
        return str(value)
    return duration(value) if key == "task/seconds" else percent(value)


def shorten(text: str, width: int) -> str:
    """``text``, or its beginning and an ellipsis where it is longer than ``width``.

    >>> shorten("0 1 2 3 4 5", 8)
    '0 1 2...'
    """
    return text if len(text) <= width else f"{text[: width - 3].rstrip()}..."


def wrapped(text: str, width: int) -> str:
    """``text`` broken between words where a terminal of ``width`` columns would break it anywhere; no word is broken.

    >>> wrapped("  task 1 round 0: kept", 18)
    '  task 1 round 0:\\n      kept'
    """
    lines = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        fill = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
        fill.initial_indent, fill.subsequent_indent = indent, indent + "    "
        lines.append(fill.fill(line.strip()))
    return "\n".join(lines)


def percent(share: float) -> str:
    """A share as percent with two decimals.

    >>> percent(0.98765)
    '98.77'
    """
    # A forgetting of -0.000001 is no forgetting, not "-0.00".
    return f"{round(100.0 * share, 2) + 0.0:.2f}"


def duration(seconds: float) -> str:
    """A time in seconds below a minute, else in minutes or hours.

    >>> duration(5.25), duration(75), duration(3725)
    ('5.2 s', '1:15 min', '1:02:05 h')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h"


def plain_row(first: str, cells: Sequence[str]) -> str:
    """A row of the table without any drawing: ``first`` and ``classes`` to the left, numbers to the right."""
    text = f"{first:>4}  {cells[0]:<{COLUMNS[0][2]}}"
    for cell, (_, _, width) in zip(cells[1:], COLUMNS[1:], strict=True):
        text += f"{cell:>{width}}"
    return text


def score_lines(scores: Mapping[str, Value], last: TaskRow | None) -> list[tuple[str, str]]:
    """What the run came to, as (label, text): every known score, then the last accuracy on each task."""
    flat = {key.removeprefix("score/"): number(value) for key, value in scores.items()}
    lines = []
    for key, label in SCORES:
        if key in flat:
            value = flat[key]
            lines.append(
                (label, f"{percent(value):>7} %" if isinstance(value, float | int) else f"{MISSING:>7}")
            )
    # Tasks still to come have an accuracy too, but not one that anybody trained for.
    learned = [value for task, value in (last.by_task() if last else []) if last and task <= last.task]
    accuracies = [f"{100.0 * value:.1f}" for value in learned]
    room = (WIDTH - LABEL - 2) // 6
    for start in range(0, len(accuracies), room):
        label = "accuracy on tasks learned, %" if start == 0 else ""
        lines.append((label, "".join(f"{text:>6}" for text in accuracies[start : start + room]).rstrip()))
    return lines


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[Value]], room: int = WIDTH - 2) -> list[str]:
    """A table of any kind in aligned columns: the first to the left, the others to the right, no drawing.

    Columns that ``room`` characters do not hold come below, beside the first column once more.

    >>> for line in table_lines(["size", "small", "large"], [["parameters", 10, 12345], ["share", 0.1234, None]]):
    ...     print(line)
    size         small   large
    parameters      10  12,345
    share       0.1234       -
    >>> for line in table_lines(["size", "small", "large"], [["parameters", 10, 12345]], room=20):
    ...     print(line)
    size        small
    parameters     10
    <BLANKLINE>
    size         large
    parameters  12,345
    """
    cells = [list(columns), *([_any_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    blocks: list[list[int]] = [[]]
    for place, width in enumerate(widths[1:], 1):
        if blocks[-1] and widths[0] + sum(2 + widths[one] for one in blocks[-1]) + 2 + width > room:
            blocks.append([])
        blocks[-1].append(place)
    lines: list[str] = []
    for block in blocks:
        lines += [""] if lines else []
        for row in cells:
            numbers = (f"{row[place]:>{widths[place]}}" for place in block)
            lines.append("  ".join([f"{row[0]:<{widths[0]}}", *numbers]))
    return lines


def _any_cell(value: object) -> str:
    value = number(value)
    if value is None:
        return MISSING
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
    )
