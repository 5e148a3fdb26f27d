"""What a sweep shows while it goes on: lines in a pipe, a table that stays in place in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from lifelong_kd.study.board import Board, Running
from lifelong_kd.study.estimate import in_words
from lifelong_kd.study.plan import Job

__all__ = ["Lines", "Screen", "open_screen"]

# Seconds between two drawings of the table.
EVERY = 1.0
# Rows of the terminal that are not cells: counts, time, head, a line for the cells there is no room for, prompt.
FRAME = 7


class Lines:
    """A line for each cell that has ended.

    Args:
        board: where the study stands.
        say: prints a line.
    """

    def __init__(self, board: Board, say: Callable[[str], object]) -> None:
        self.board = board
        self.say = say
        self._ended = 0
        self._todo = len(board.waiting)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ended(self, job: Job, failure: str, seconds: float | None) -> None:
        """Say how a cell has ended, and how long the others may take."""
        self._ended += 1
        left = self.board.seconds_left()
        more = "" if self._ended >= self._todo or left is None else f"; {in_words(left)} left"
        took = "in another process" if seconds is None else f"{seconds:.1f} s"
        self.say(f"[{self._ended}/{self._todo}] {outcome(job, failure)} ({took}{more})")

    def stopping(self) -> None:
        """Say that cells are being stopped, which may take a while."""
        count = len(self.board.running)
        what = "1 cell: it saves what it has" if count == 1 else f"{count} cells: they save what they have"
        if count:
            self.say(f"stopping {what} (Ctrl-C again: do not wait)")

    def tick(self) -> None:
        """Nothing is drawn between the lines."""


class Screen(Lines):
    """The same as a table of what runs, under the counts; what fails is printed above it.

    Args:
        board: where the study stands.
        console: rich's.
    """

    def __init__(self, board: Board, console: Any) -> None:
        from rich.live import Live

        super().__init__(board, lambda line: console.print(line, markup=False, highlight=False))
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._drawn = 0.0

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def ended(self, job: Job, failure: str, seconds: float | None) -> None:
        """Say that a cell has failed; of those that have finished the count is enough."""
        self._ended += 1
        if failure:
            self.say(outcome(job, failure))

    def tick(self) -> None:
        """Draw the table, if it was not drawn just now."""
        now = time.monotonic()
        if now - self._drawn >= EVERY:
            self._drawn = now
            self._live.update(self._table(now), refresh=True)

    def _table(self, now: float) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        left = self.board.seconds_left(now)
        head = f"{self.board.counts()}\ntime left: {in_words(left)}"
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, justify in (
            ("running", "left"),
            ("", "left"),
            ("average accuracy", "right"),
            ("s", "right"),
        ):
            table.add_column(name, justify=justify, no_wrap=True, header_style="dim")  # type: ignore[arg-type]
        running = list(self.board.running.values())
        room = max(1, self._console.height - FRAME)
        for run in running[:room]:
            table.add_row(*self._row(run, now))
        hidden = f"and {len(running) - room} more" if len(running) > room else ""
        return Group(
            Text(head, no_wrap=True, overflow="ellipsis"), table, *([Text(hidden)] if hidden else [])
        )

    def _row(self, run: Running, now: float) -> tuple[str, str, str, str]:
        going = self.board.looker.look(run.job.folder)
        average = "-" if going.average_accuracy is None else f"{100 * going.average_accuracy:.2f} %"
        return run.job.name, going.words(), average, f"{now - run.since:.0f}"


def outcome(job: Job, failure: str) -> str:
    """How a cell has ended, in words."""
    return f"{job.name}: failed: {failure}; see {job.log}" if failure else f"{job.name}: finished"


def open_screen(board: Board, say: Callable[[str], object]) -> Lines:
    """A table in a terminal, lines elsewhere."""
    if not sys.stdout.isatty():
        return Lines(board, say)
    from rich.console import Console

    console = Console()
    return (
        Screen(board, console) if console.is_terminal and not console.is_dumb_terminal else Lines(board, say)
    )
