"""What is won and lost where a small network takes the place of a large one: teacher and student side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COSTS", "Measured", "compression_table", "falls", "latest_accuracies", "ratio", "write_markdown"]

Cell = float | int | str | None

COSTS: Mapping[str, str] = {
    "parameters": "parameters",
    "flops": "FLOPs per sample",
    "bytes": "bytes",
    "latency_1_ms": "CPU ms, batch of 1",
    "latency_64_ms": "CPU ms, batch of 64",
}
"""Names of what a network costs, and what they are called in a table."""


@dataclass(frozen=True)
class Measured:
    """A network, or what teaches under one name.

    ``costs`` are numbers by the names of ``COSTS``. ``accuracy`` are accuracies in [0, 1] of the tasks so far, ``None``
    of a task that it does not know; ``falls`` how far each fell from its best, ``None`` where nothing could fall.
    ``beside``, of a teacher, are those of the student on the same tasks, among the classes that the teacher chose from.
    """

    name: str
    costs: Mapping[str, float]
    accuracy: Sequence[float | None]
    falls: Sequence[float | None]
    beside: Sequence[float | None] = ()

    @property
    def average(self) -> float | None:
        """Mean accuracy over the tasks that it knows."""
        return _mean(self.accuracy)

    @property
    def forgetting(self) -> float | None:
        """Mean of the falls that there are."""
        return _mean(self.falls)

    @property
    def student_average(self) -> float | None:
        """Mean accuracy of the student on the same tasks, among the same classes."""
        return _mean(self.beside)


def latest_accuracies(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """The last accuracy that there is of each task, from rows of accuracies after each task.

    >>> latest_accuracies([[1.0], [None, 0.5]])
    [1.0, 0.5]
    """
    return [
        next((row[task] for row in reversed(rows) if _has(row, task)), None) for task in range(_width(rows))
    ]


def falls(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """How far the last accuracy of each task is below the best earlier one; ``None`` with less than two.

    >>> falls([[1.0], [0.25, 1.0]])
    [0.75, None]
    """
    fallen: list[float | None] = []
    for task in range(_width(rows)):
        known = [value for row in rows if _has(row, task) and (value := row[task]) is not None]
        fallen.append(max(known[:-1]) - known[-1] if len(known) > 1 else None)
    return fallen


def _width(rows: Sequence[Sequence[float | None]]) -> int:
    return max(map(len, rows), default=0)


def _has(row: Sequence[float | None], task: int) -> bool:
    return task < len(row) and row[task] is not None


def ratio(student: float | None, teacher: float | None) -> float | None:
    """``student / teacher``; ``None`` where one is not known or there is nothing to divide by.

    >>> ratio(5, 20)
    0.25
    """
    return None if student is None or not teacher else student / teacher


def compression_table(student: Measured, teachers: Sequence[Measured]) -> tuple[list[str], list[list[Cell]]]:
    """Columns and rows: each measure with the student, each teacher, and the student's share of the teacher's.

    Accuracies are in percent. A teacher that knows only some tasks has its accuracy over those, among the classes that
    it knows; the row below has the student's on the same tasks among the same classes, and that is what the ratio of
    accuracies compares.

    Args:
        student: the student.
        teachers: what taught it.
    """
    columns = ["compression", student.name]
    for teacher in teachers:
        columns += [teacher.name, f"{student.name} / {teacher.name}"]
    rows: list[list[Cell]] = []
    for name, label in COSTS.items():
        row: list[Cell] = [label, student.costs.get(name)]
        for teacher in teachers:
            row += [teacher.costs.get(name), ratio(student.costs.get(name), teacher.costs.get(name))]
        rows.append(row)
    known: list[Cell] = ["tasks that it knows", _known(student)]
    accuracy: list[Cell] = ["accuracy over these, %", _percent(student.average)]
    same: list[Cell] = [f"the {student.name}'s among its classes, %", None]
    forgetting: list[Cell] = ["forgetting, %", _percent(student.forgetting)]
    for teacher in teachers:
        known += [_known(teacher), None]
        accuracy += [_percent(teacher.average), ratio(teacher.student_average, teacher.average)]
        same += [_percent(teacher.student_average), None]
        forgetting += [_percent(teacher.forgetting), None]
    return columns, [*rows, known, accuracy, *([same] if teachers else []), forgetting]


def _known(network: Measured) -> int:
    return sum(value is not None for value in network.accuracy)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def write_markdown(
    path: Path | str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> Path:
    """Write a table as Markdown, all of it or nothing; numbers to the right, four digits of a fraction.

    Args:
        path: the file.
        title: what stands above the table.
        columns: their headings.
        rows: the cells.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"# {title}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'|'.join(['---', *['---:'] * (len(columns) - 1)])}|",
        *(f"| {' | '.join(map(_text, row))} |" for row in rows),
    ]
    part = path.with_name(f".{path.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}" if isinstance(cell, float) else cell
