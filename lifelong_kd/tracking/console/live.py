"""The console of a terminal: a table that grows by a row a task, with a progress bar in it."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lifelong_kd.tracking.console.text import COLUMNS, MISSING, WIDTH, TaskRow, shorten

__all__ = ["LiveView", "task_table"]


AVERAGE = [heading for heading, _, _ in COLUMNS].index("average")
# Below this many columns there is no room for the accuracies on training and validation data.
NARROW = 76
_WIDE_ONLY = ("train", "valid")


def task_table(rows: Sequence[TaskRow], *, shown: int | None = None, width: int = WIDTH) -> Table:
    """The tasks as a rich table for ``width`` columns; of more than ``shown`` tasks only the last ones."""
    columns = [i for i, (heading, _, _) in enumerate(COLUMNS) if width >= NARROW or heading not in _WIDE_ONLY]
    # Narrow ones stand closer, so that no heading and no time is cut at 80 columns.
    padding = (0, 1) if width >= WIDTH else (0, 1, 0, 0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True, header_style="bold", padding=padding)
    table.add_column("task", justify="right", width=4)
    for heading in (COLUMNS[i][0] for i in columns):
        side: JustifyMethod = "left" if heading == "classes" else "right"
        least = max(6, len(heading))
        table.add_column(heading, justify=side, no_wrap=True, overflow="ellipsis", min_width=least)
    hidden = 0 if shown is None else max(0, len(rows) - shown)
    if hidden:
        table.add_row("...", Text(f"{hidden} earlier", style="dim"))
    for row in rows[hidden:]:
        texts = row.cells()
        texts[0] = shorten(texts[0], 18 if width >= WIDTH else 10)
        cells = [Text(text, style="dim" if text == MISSING else "") for text in texts]
        # The average after each task is what most people look for.
        cells[AVERAGE].stylize("bold cyan")
        table.add_row(str(row.task), *(cells[i] for i in columns))
    return table


class LiveView:
    """Draws a run's table in place until ``stop``, and then once and for all.

    It draws when it is told to and has no thread of its own, so that it takes no time from the training.
    """

    def __init__(self, console: Console, title: str, tasks: int) -> None:
        self._console = console
        self._title = title
        self._tasks = tasks
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def start(self) -> None:
        self._live.start()

    def draw(self, rows: Sequence[TaskRow], bar: tuple[int, int, int, str] | None) -> None:
        """Draw the tasks that are done and, given ``bar`` = (task, done, total, note), the one going on."""
        parts: list[RenderableType] = []
        # Head, borders and bar take nine lines; what does not fit would push the bar off the screen.
        room = max(3, self._console.height - 9)
        if rows:
            parts.append(task_table(rows, shown=room, width=self._console.width))
        if bar is not None:
            parts.append(self._bar(*bar))
        self._live.update(self._frame(Group(*parts)), refresh=True)

    def _bar(self, task: int, done: int, total: int, note: str) -> RenderableType:
        line = Table.grid(padding=(0, 2), expand=True)
        line.add_column(justify="left", no_wrap=True)
        line.add_column(ratio=1, min_width=6)
        line.add_column(justify="right", no_wrap=True)
        line.add_column(justify="right", no_wrap=True, overflow="ellipsis")
        share = f"{100 * done // total:3d} %" if total else ""
        bar = ProgressBar(total=max(total, 1), completed=done, style="grey37", complete_style="cyan")
        line.add_row(f"task {task} ({task + 1} of {self._tasks})", bar, share, Text(note, style="dim"))
        return line

    def _frame(self, content: RenderableType) -> RenderableType:
        return Panel(
            content,
            title=self._title,
            title_align="left",
            subtitle="accuracies in %",
            subtitle_align="right",
            border_style="dim",
            box=box.ROUNDED,
            width=min(WIDTH, self._console.width),
        )

    def stop(self, rows: Sequence[TaskRow]) -> None:
        """Take the moving table away and print all rows for good."""
        self._live.stop()
        if rows:
            self._console.print(self._frame(task_table(rows, width=self._console.width)))
