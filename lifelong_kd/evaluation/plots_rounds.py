"""Figure of the rounds of each task: what each reached on held-out data, and which was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import new_figure, save
from lifelong_kd.evaluation.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Tried", "plot_rounds"]

NAMED = 60
"""Beyond so many rounds their numbers could not be read."""


@dataclass(frozen=True)
class Tried:
    """A round: its task, its accuracy on the new task and on earlier ones (``None`` without), and whether it stayed.

    ``score`` is the generator's, ``None`` where nobody looked at one.
    """

    task: int
    new: float | None
    old: float | None
    kept: bool
    score: float | None = None


def plot_rounds(rounds: Sequence[Tried], path: Path | str, *, title: str = "Rounds of each task") -> Path:
    """Accuracy on the new task and on earlier ones round after round, full where a round was kept; returns the path.

    Where rounds looked at a generator, its score stands in a panel of its own below.

    Args:
        rounds: of all tasks, in order.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: if there is no round.
    """
    if not rounds:
        raise BadCall("there is no round to plot.")
    count = len(rounds)
    width = min(max(6.0, 2.5 + 0.28 * count), 16.0)
    scored = any(one.score is not None for one in rounds)
    figure, axes = new_figure(width, 6.5 if scored else 4.5)
    lowest = axes
    if scored:
        axes.remove()
        axes, lowest = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        _line(lowest, rounds, [one.score for one in rounds], "generator", COLOURS[2], "D")
        lowest.set_ylabel("generator's score\n(lower is better)")
        lowest.grid(alpha=0.3, axis="y")
    for name, colour, marker, values in (
        ("new task", COLOURS[0], "o", [one.new for one in rounds]),
        ("earlier tasks, mean", COLOURS[1], "s", [one.old for one in rounds]),
    ):
        _line(
            axes, rounds, [None if value is None else 100 * value for value in values], name, colour, marker
        )
    _mark_tasks(axes, rounds)
    if scored:
        _mark_tasks(lowest, rounds, named=False)
    axes.set(title=title, ylabel="validation accuracy (%)", ylim=(-4, 109))
    lowest.set_xlabel("round of the task (tasks above)")
    axes.grid(alpha=0.3, axis="y")
    figure.legend(loc="outside lower center", ncols=4 if count > 26 else 2, fontsize=9)
    return save(figure, path)


def _line(
    axes: Axes,
    rounds: Sequence[Tried],
    values: Sequence[float | None],
    name: str,
    colour: str,
    marker: str,
) -> None:
    """One value a round, joined within each task."""
    there = [(place, value) for place, value in enumerate(values) if value is not None]
    for task in sorted({one.task for one in rounds}):
        mine = [(x, y) for x, y in there if rounds[x].task == task]
        axes.plot([x for x, _ in mine], [y for _, y in mine], color=colour, linewidth=0.9, alpha=0.6)
    for kept in (False, True):
        mine = [(x, y) for x, y in there if rounds[x].kept is kept]
        axes.plot(
            [x for x, _ in mine],
            [y for _, y in mine],
            linestyle="none",
            marker=marker,
            markersize=7 if kept else 5,
            markerfacecolor=colour if kept else "white",
            markeredgecolor=colour,
            label=f"{name}, {'kept' if kept else 'not kept in the end'}" if mine else None,
        )


def _mark_tasks(axes: Axes, rounds: Sequence[Tried], *, named: bool = True) -> None:
    """Lines between the tasks, their names above if ``named``, and the numbers of their rounds below."""
    count = len(rounds)
    numbers: list[int] = []
    for place, one in enumerate(rounds):
        fresh = place == 0 or rounds[place - 1].task != one.task
        numbers.append(0 if fresh else numbers[-1] + 1)
        if fresh:
            last = max(other for other, also in enumerate(rounds) if also.task == one.task)
            if place:
                axes.axvline(place - 0.5, color="grey", linestyle=":", linewidth=1)
            sizes = Counter(also.task for also in rounds)
            # "task 4" is wider than a task of one round among many.
            many = len(sizes) > 10 or (count > 10 and 1 in list(sizes.values())[1:])
            if named:
                axes.text(
                    (place + last) / 2,
                    103,
                    str(one.task) if many else f"task {one.task}",
                    ha="center",
                    fontsize=8 if many else 9,
                )
    if count <= NAMED:
        axes.set_xticks(range(count), [str(number) for number in numbers], fontsize=8)
    else:
        axes.set_xticks([])
    axes.set_xlim(-0.7, count - 0.3)
