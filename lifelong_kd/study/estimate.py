"""How long a study still takes, judged by the cells that have ended."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from statistics import median

__all__ = ["Groups", "estimate", "in_words"]

Groups = Sequence[str]
"""The groups of cells that take about as long as a cell, the largest first."""


def estimate(
    ended: Sequence[tuple[Groups, float]],
    running: Sequence[tuple[Groups, float]],
    waiting: Sequence[Groups],
    slots: int,
) -> float | None:
    r"""Seconds until the last cell ends.

    A cell is expected to take the median of those that have ended in its smallest group that has any, else of all. The
    running ones take what is left of that, and each waiting one goes to the slot that is free first, in order.

    Args:
        ended: groups and seconds of each cell that was run from beginning to end.
        running: groups of each running cell and the seconds since it was started.
        waiting: groups of each waiting cell.
        slots: cells side by side.

    Returns:
        Seconds; ``None`` if something is left to do and no cell has ended yet.

    >>> estimate([(["lwf"], 10.0), (["icarl"], 30.0)], [(["lwf"], 4.0)], [["icarl"], ["lwf"]], slots=2)
    30.0
    """
    if not running and not waiting:
        return 0.0
    if not ended:
        return None
    by_group: dict[str, list[float]] = {}
    for groups, seconds in ended:
        for group in groups:
            by_group.setdefault(group, []).append(seconds)
    medians = {group: median(seconds) for group, seconds in by_group.items()}
    overall = median(seconds for _, seconds in ended)

    def expected(groups: Groups) -> float:
        return next((medians[group] for group in reversed(groups) if group in medians), overall)

    free = [max(0.0, expected(groups) - since) for groups, since in running]
    free += [0.0] * (slots - len(free))
    heapq.heapify(free)
    for groups in waiting:
        heapq.heapreplace(free, free[0] + expected(groups))
    return max(free)


def in_words(seconds: float | None) -> str:
    """A time as one would say it, no finer than it is known.

    >>> [in_words(seconds) for seconds in (None, 20, 100, 3000, 8000, 200_000)]
    ['-', 'less than a minute', 'about 2 min', 'about 50 min', 'about 2 h 15 min', 'about 2 days 8 h']
    """
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    if seconds < 60:
        return "less than a minute"
    if minutes < 60:
        return f"about {minutes} min"
    if minutes < 24 * 60:
        hours, rest = divmod(5 * round(minutes / 5), 60)
        return f"about {hours} h {rest} min" if rest else f"about {hours} h"
    days, hours = divmod(round(minutes / 60), 24)
    about = f"about {days} day{'s' if days > 1 else ''}"
    return f"{about} {hours} h" if hours else about
