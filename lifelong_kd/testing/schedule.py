"""What every schedule promises."""

from __future__ import annotations

import copy
import math

from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.testing.expect import expect

__all__ = ["check_schedule"]


def check_schedule(schedule: Schedule, *, tasks: int = 5) -> None:
    """Check that a schedule gives a finite weight of at least 0 at every moment, and the same when asked again.

    An adaptive one, wherever it stands among the parts, has to stay so whatever gradients it is told of, and to take
    its state back.

    Raises:
        AssertionError: saying which promise is broken.
    """
    name = type(schedule).__name__
    before = _weights(schedule, tasks)
    adaptive = [part for part in schedule.parts() if part.adaptive]
    expect(any(part is schedule for part in schedule.parts()), f"{name} is not among its own parts")
    for part in adaptive:
        expect(
            any(part.wants(step) for step in range(1000)), f"{name} is adaptive and wants to observe nothing"
        )
        fresh = copy.deepcopy(part.state_dict())
        for norms in ((1.0, 2.0), (0.0, 1.0), (1.0, 0.0), (1e-30, 1e30), (1e30, 1e-30), (math.nan, 1.0)):
            part.observe(*norms)
            _weights(schedule, tasks)
        told, state = _weights(schedule, tasks), copy.deepcopy(part.state_dict())
        part.load_state_dict(fresh)
        expect(_weights(schedule, tasks) == before, f"{name} does not go back to the state that it had")
        part.load_state_dict(state)
        expect(_weights(schedule, tasks) == told, f"{name} gives other weights after a restart")
        part.load_state_dict(fresh)


def _weights(schedule: Schedule, tasks: int) -> list[float]:
    """The weights at all moments of a stream, each found to be a weight."""
    name = type(schedule).__name__
    weights = []
    for task in range(tasks):
        for replayed in (0, 16):
            for progress in (0.0, 0.05, 0.5, 0.999):
                moment = Moment(task, old=2 * task, new=2, batch=32, replayed=replayed, progress=progress)
                weight = schedule(moment)
                expect(isinstance(weight, float | int), f"{name} gives {weight!r}, not a number")
                expect(
                    math.isfinite(weight) and weight >= 0,
                    f"{name} gives {weight} in task {task}; at least 0 is needed",
                )
                expect(schedule(moment) == weight, f"{name} gives another weight when asked again")
                weights.append(weight)
    return weights
