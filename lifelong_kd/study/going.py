"""How far a run has come, read from its folder while it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Going", "Looker"]


@dataclass(frozen=True)
class Going:
    """Tasks that are done, how many there are (None before the first is done), and the average accuracy so far."""

    done: int = 0
    tasks: int | None = None
    average_accuracy: float | None = None

    def words(self) -> str:
        """The task that is being learned.

        >>> Going().words(), Going(2, 5, 0.5).words(), Going(5, 5, 0.5).words()
        ('task 1', 'task 3 of 5', 'task 5 of 5')
        """
        if self.tasks is None:
            return f"task {self.done + 1}"
        return f"task {min(self.done + 1, self.tasks)} of {self.tasks}"


class Looker:
    """Reads how far runs have come; a file that has not changed is not read again."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, Going]] = {}

    def look(self, run: Path) -> Going:
        """How far the run in a folder has come; nothing is done where its results cannot be read yet."""
        path = run / "results.json"
        try:
            changed = path.stat().st_mtime_ns
            if run not in self._seen or self._seen[run][0] != changed:
                self._seen[run] = changed, _read(path)
            return self._seen[run][1]
        except (OSError, ValueError, KeyError, TypeError):
            return Going()


def _read(path: Path) -> Going:
    results = json.loads(path.read_text(encoding="utf-8"))
    matrix, average = results["accuracy_matrix"], results["average_accuracy"]
    return Going(len(matrix), len(matrix[-1]) if matrix else None, average)
