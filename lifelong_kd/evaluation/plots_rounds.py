"""Figure of the rounds of each task: what each reached on held-out data, and which was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import new_figure, save
from lifelong_kd.evaluation.plots import COLOURS

__all__ = ["Tried", "plot_rounds"]

NAMED = 60
"""Beyond so many rounds their numbers could not be read."""


@dataclass(frozen=True)
class Tried:
    """A round: its task, its accuracy on the new task and on earlier ones (``None`` without), and whether it stayed."""

    task: int
    new: float | None
    old: float | None
    kept: bool


def plot_rounds(rounds: Sequence[Tried], path: Path | str, *, title: str = "Rounds of each task") -> Path:
    """Accuracy on the new task and on earlier ones round after round, full where a round was kept; returns the path.

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
    figure, axes = new_figure(min(max(6.0, 2.5 + 0.28 * count), 16.0), 4.5)
    for name, colour, marker, values in (
        ("new task", COLOURS[0], "o", [one.new for one in rounds]),
        ("earlier tasks, mean", COLOURS[1], "s", [one.old for one in rounds]),
    ):
        there = [(place, 100 * value) for place, value in enumerate(values) if value is not None]
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
    _mark_tasks(axes, rounds)
    axes.set(
        title=title,
        xlabel="round of the task (tasks above)",
        ylabel="validation accuracy (%)",
        ylim=(-4, 109),
    )
    axes.grid(alpha=0.3, axis="y")
    figure.legend(loc="outside lower center", ncols=4 if count > 26 else 2, fontsize=9)
    return save(figure, path)


def _mark_tasks(axes: object, rounds: Sequence[Tried]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
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
