"""Several trackers as one, none of which can end a run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value

__all__ = ["Trackers", "one_line"]


def one_line(error: BaseException, limit: int = 240) -> str:
    """An error as one short line: its type and its message."""
    text = " ".join(str(error).split())
    text = text if len(text) <= limit else f"{text[: limit - 3]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Trackers(Tracker):
    """Passes everything on to each of ``trackers``; one that raises is reported once on stderr and dropped.

    A dropped tracker gets nothing more, except that at the end it is still asked to finish, so that what it
    has is closed and the user is told where it lies. ``KeyboardInterrupt`` and ``SystemExit`` pass through.

    >>> from lifelong_kd.tracking.jsonl import JsonlTracker
    >>> len(Trackers([JsonlTracker()]))
    1
    """

    def __init__(self, trackers: Iterable[Tracker]) -> None:
        self._all = list(trackers)
        self._dropped: list[Tracker] = []

    def __len__(self) -> int:
        return len(self._all) - len(self._dropped)

    def __iter__(self) -> Iterator[Tracker]:
        """The trackers that still work."""
        return iter([tracker for tracker in self._all if not self._is_dropped(tracker)])

    def _is_dropped(self, tracker: Tracker) -> bool:
        return any(tracker is other for other in self._dropped)

    def _ask(self, tracker: Tracker, method: str, *arguments: object) -> Any:
        # Every exception a tracker can raise is meant: a missing package, a full disk, a bug in a user's
        # tracker.
        try:
            return getattr(tracker, method)(*arguments)
        except Exception as error:
            if not self._is_dropped(tracker):
                self._dropped.append(tracker)
                name = type(tracker).__name__
                sys.stderr.write(
                    f"lifelong-kd: {name} failed and is left out from here on ({one_line(error)})\n"
                )
                sys.stderr.flush()
        return None

    def _tell(self, method: str, *arguments: object) -> None:
        for tracker in self:
            self._ask(tracker, method, *arguments)

    def start(self, run: RunInfo) -> None:
        self._tell("start", run)

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        self._tell("log", values, axis, step)

    def progress(self, task: int, epoch: int, epochs: int, done: int, total: int) -> None:
        self._tell("progress", task, epoch, epochs, done, total)

    @property
    def wants_figures(self) -> bool:
        return any(tracker.wants_figures for tracker in self)

    def figure(self, key: str, path: Path, step: Mapping[str, int]) -> None:
        self._tell("figure", key, path, step)

    def table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], step: Mapping[str, int]
    ) -> None:
        self._tell("table", key, columns, rows, step)

    def artifact(
        self, path: Path | Sequence[Path], name: str, kind: str, metadata: Mapping[str, Any]
    ) -> None:
        self._tell("artifact", path, name, kind, metadata)

    def summary(self, values: Mapping[str, Value]) -> None:
        self._tell("summary", values)

    def message(self, text: str) -> None:
        self._tell("message", text)

    def finish(self, status: Status) -> None:
        """Finish every tracker, dropped ones too, then let those that speak to the user say goodbye."""
        for tracker in self._all:
            self._ask(tracker, "finish", status)
        lines = self.closing()
        self._tell("farewell", lines)

    def closing(self) -> Sequence[tuple[str, str]]:
        lines: list[tuple[str, str]] = []
        for tracker in self._all:
            lines.extend(self._ask(tracker, "closing") or ())
        return lines
