"""What every schedule promises."""

from __future__ import annotations

import math

from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.testing.expect import expect

__all__ = ["check_schedule"]


def check_schedule(schedule: Schedule, *, tasks: int = 5) -> None:
    """Check that a schedule gives a finite weight of at least 0 for every task, and the same when asked again.

    Raises:
        AssertionError: saying which promise is broken.
    """
    name = type(schedule).__name__
    for task in range(tasks):
        for replayed in (0, 16):
            moment = Moment(task=task, old=2 * task, new=2, batch=32, replayed=replayed)
            weight = schedule(moment)
            expect(isinstance(weight, float | int), f"{name} gives {weight!r}, not a number")
            expect(
                math.isfinite(weight) and weight >= 0,
                f"{name} gives {weight} in task {task}; at least 0 is needed",
            )
            expect(schedule(moment) == weight, f"{name} gives another weight when asked again")
