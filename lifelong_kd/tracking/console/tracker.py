"""What a person sees of a run: a live table in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value, number
from lifelong_kd.tracking.console.text import (
    COLUMNS,
    LABEL,
    TaskRow,
    duration,
    plain_row,
    score_lines,
    table_lines,
    wrapped,
)
from lifelong_kd.tracking.jsonl import read

if TYPE_CHECKING:
    from rich.console import Console

    from lifelong_kd.tracking.console.live import LiveView

__all__ = ["ConsoleTracker"]

# Seconds between two drawings of the live table, and between two progress lines of a log.
REDRAW = 0.1
HEARTBEAT = 30.0

# Tables that a run ends with; others are for trackers that keep them.
REPORT = "report/"


class ConsoleTracker(Tracker):
    """Shows one row a task, a progress bar within it, and the scores at the end.

    It reads ``task/classes``, ``task/train_accuracy``, ``task/validation_accuracy``, ``task/test_accuracy``,
    ``task/accuracy/<j>``, ``task/seconds``, ``score/average_accuracy`` and ``score/forgetting`` of the task
    axis, ``train/loss`` of any other, the summary's scores and the tables ``report/<name>``. Accuracies are shares in
    [0, 1], shown in percent; those tables are shown as they are.

    Args:
        mode: ``live`` draws in place, ``plain`` writes lines, ``off`` nothing; ``auto`` is live in a terminal
            and plain anywhere else.

    Example:
        >>> tracker = ConsoleTracker(mode="plain")
    """

    def __init__(self, *, mode: Literal["auto", "live", "plain", "off"] = "auto") -> None:
        if mode not in ("auto", "live", "plain", "off"):
            raise BadCall(f"tracking.console is {mode!r}; it must be one of auto, live, plain, off")
        self.mode = mode
        self.output: Console | None = None
        """Where it writes; standard output unless it is set before ``start``."""
        self._view: LiveView | None = None
        self._run: RunInfo | None = None
        self._rows: dict[int, TaskRow] = {}
        self._scores: dict[str, Value] = {}
        self._reports: dict[str, list[str]] = {}
        self._bar: tuple[int, int, int, str] | None = None
        self._loss: float | None = None
        self._began = self._task_began = self._last = 0.0
        self._task: int | None = None
        self._done = 0

    def start(self, run: RunInfo) -> None:
        if self.mode == "off":
            return
        from rich.console import Console

        if self.output is None:
            self.output = Console(file=sys.stdout, highlight=False, markup=False)
        self._run = run
        self._began = time.monotonic()
        note = self._earlier_tasks(run) if run.resumed else ""
        if self.mode == "live" or (self.mode == "auto" and _is_screen(self.output)):
            self._start_live(run)
        else:
            self._print(f"run {run.name}: {_title(run)}; accuracies in %")
            self._print(plain_row("task", [heading for heading, _, _ in COLUMNS]))
            for row in self._ordered():
                self._print(plain_row(str(row.task), row.cells()))
        if note:
            self.message(note)

    def _start_live(self, run: RunInfo) -> None:
        from rich.markup import escape

        from lifelong_kd.tracking.console.live import LiveView

        assert self.output is not None
        self._view = LiveView(self.output, escape(_title(run)), run.tasks)
        self._view.start()
        self._view.draw(self._ordered(), None)

    def _earlier_tasks(self, run: RunInfo) -> str:
        """Take over the rows of a run that goes on; returns what to say about it."""
        try:
            lines = read(run.folder)
        except (OSError, BadCall) as error:
            return f"resumed; the tasks done before cannot be shown: {error}"
        for line in lines:
            if line["axis"] == "task" and isinstance(line["task"], int):
                self._row(line["task"]).values.update(line["values"])
        return f"resumed with {len(self._rows)} of {run.tasks} tasks done"

    def _row(self, task: int) -> TaskRow:
        return self._rows.setdefault(task, TaskRow(task))

    def _ordered(self) -> list[TaskRow]:
        return [self._rows[task] for task in sorted(self._rows)]

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        if self.output is None:
            return
        if axis != "task":
            loss = number(values.get("train/loss"))
            self._loss = float(loss) if isinstance(loss, float | int) else self._loss
            return
        row = self._row(int(step["task"]))
        row.values.update(values)
        self._bar = self._loss = self._task = None
        if self._view is not None:
            self._view.draw(self._ordered(), None)
        else:
            self._print(plain_row(str(row.task), row.cells()))

    def progress(self, task: int, epoch: int, epochs: int, done: int, total: int) -> None:
        now = time.monotonic()
        if task != self._task:
            self._task, self._task_began = task, now
            self._last = 0.0 if self._view is not None else now
        elif done <= self._done:
            # Another round of the same task: what the earlier ones took says nothing of how long is left.
            self._task_began = now
        self._done = done
        if self.output is None or now - self._last < (REDRAW if self._view is not None else HEARTBEAT):
            return
        self._last = now
        parts = [f"epoch {epoch + 1}/{epochs}"]
        if self._loss is not None:
            parts.append(f"loss {self._loss:.4g}")
        if 0 < done < total:
            parts.append(f"{duration((now - self._task_began) * (total - done) / done)} left")
        if self._view is not None:
            self._bar = (task, done, total, "  ".join(parts))
            self._view.draw(self._ordered(), self._bar)
        else:
            share = f"{100 * done // total} %, " if total else ""
            self._print(f"{task:>4}  ... {share}{', '.join(parts)}")

    def summary(self, values: Mapping[str, Value]) -> None:
        self._scores.update(values)

    def table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], step: Mapping[str, int]
    ) -> None:
        if key.startswith(REPORT):
            self._reports[key] = table_lines(columns, rows)

    def message(self, text: str) -> None:
        if self.output is None:
            return
        if self._view is not None:
            text = wrapped(text, self.output.width)
        self._print(text)

    def finish(self, status: Status) -> None:
        if self.output is None or self._run is None:
            return
        view, self._view = self._view, None
        if view is not None:
            view.stop(self._ordered())
        seconds = duration(time.monotonic() - self._began)
        done = f"{len(self._rows)} of {self._run.tasks} tasks done"
        self._print(f"{status} after {seconds}, {done}" if status != "finished" else f"finished in {seconds}")
        rows = self._ordered()
        # Blank lines set the scores apart from what is above and below them.
        self._print("")
        for label, text in score_lines(self._scores, rows[-1] if rows else None):
            self._print(f"  {label:<{LABEL}}{text}")
        for lines in self._reports.values():
            self._print("")
            for line in lines:
                self._print(f"  {line}".rstrip())

    def farewell(self, lines: Sequence[tuple[str, str]]) -> None:
        if self.output is None or self._run is None:
            return
        self._print("")
        for label, text in [("run folder", str(self._run.folder)), *lines]:
            self._print(f"  {label:<13}{text}")
        self._run = None

    def _print(self, text: str) -> None:
        assert self.output is not None
        # A path or a command is to be copied: it is not broken into lines and nothing in it is markup.
        self.output.print(text, soft_wrap=True, markup=False, highlight=False)


def _is_screen(console: Console) -> bool:
    return console.file.isatty() and not console.is_dumb_terminal


def _title(run: RunInfo) -> str:
    return f"{run.strategy} on {run.stream}, {run.scenario}-incremental, {run.tasks} tasks, seed {run.seed}"
