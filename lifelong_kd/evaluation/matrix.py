"""The accuracy matrix: what every score is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from lifelong_kd.core.errors import BadCall

__all__ = ["AccuracyMatrix"]


class AccuracyMatrix:
    """R[i][j]: accuracy on the test data of task j after task i has been learned, each in [0, 1].

    Paper: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning" (NIPS 2017, arXiv:1706.08840),
    section 2. Each row has a column for every task of the stream, also those to come. ``before`` is the row of the
    untrained model (the paper's b), which forward transfer needs.

    Args:
        tasks: number of tasks of the stream, at least 1.
        before: accuracy of the untrained model on each task, if it was measured.

    Raises:
        BadCall: for a row of the wrong length, a value outside [0, 1], or more rows than tasks.

    >>> matrix = AccuracyMatrix(2)
    >>> matrix.add_row([1.0, 0.0])
    >>> matrix.learned, matrix.to_list()
    (1, [[1.0, 0.0]])
    """

    def __init__(self, tasks: int, before: Sequence[float] | None = None) -> None:
        if tasks < 1:
            raise BadCall(f"an accuracy matrix needs at least one task, found {tasks}.")
        self.tasks = tasks
        self._rows: list[list[float]] = []
        self._before = None if before is None else self._checked(before, "before the first task")

    def _checked(self, row: Iterable[float], when: str) -> list[float]:
        values = [float(value) for value in row]
        if len(values) != self.tasks:
            raise BadCall(f"the accuracies {when} are {len(values)}, but there are {self.tasks} tasks.")
        if not all(0 <= value <= 1 for value in values):
            raise BadCall(f"accuracies lie in [0, 1], but those {when} are {values}.")
        return values

    @property
    def before(self) -> list[float] | None:
        """Accuracies of the untrained model, or ``None`` if they were not measured."""
        return None if self._before is None else list(self._before)

    @before.setter
    def before(self, row: Sequence[float] | None) -> None:
        self._before = None if row is None else self._checked(row, "before the first task")

    @property
    def learned(self) -> int:
        """The number of tasks learned so far, which is the number of rows."""
        return len(self._rows)

    def add_row(self, accuracies: Iterable[float]) -> None:
        """Add the accuracies on all tasks after the next task was learned."""
        if self.learned == self.tasks:
            raise BadCall(f"all {self.tasks} tasks have their row already.")
        self._rows.append(self._checked(accuracies, f"after task {self.learned}"))

    def to_list(self) -> list[list[float]]:
        """The rows so far, as plain lists; ``from_list`` reads them."""
        return [list(row) for row in self._rows]

    @classmethod
    def from_list(
        cls,
        rows: Sequence[Sequence[float]],
        before: Sequence[float] | None = None,
        *,
        tasks: int | None = None,
    ) -> Self:
        """The matrix of these rows; ``tasks`` is needed only where there is neither a row nor ``before``."""
        if tasks is None:
            first = rows[0] if rows else before
            if first is None:
                raise BadCall("an accuracy matrix without rows needs the number of its tasks.")
            tasks = len(first)
        matrix = cls(tasks, before)
        for row in rows:
            matrix.add_row(row)
        return matrix
