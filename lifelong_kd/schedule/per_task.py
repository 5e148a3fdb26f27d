"""A weight for each task, given by hand."""

from __future__ import annotations

import math

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Schedule

__all__ = ["PerTask"]


class PerTask(Schedule):
    """One weight a task, in order; a plain list in a configuration means this.

    Args:
        weights: the weight of task 0, 1, ...; each at least 0, one for every task of the stream.
    """

    def __init__(self, *, weights: list[float]) -> None:
        if not weights or not all(0 <= weight < math.inf for weight in weights):
            raise BadCall(
                f"weights must be a list of finite numbers of at least 0, one a task; got {weights}"
            )
        self.weights = list(weights)

    def __call__(self, moment: Moment) -> float:
        if moment.task >= len(self.weights):
            raise BadCall(
                f"the list of weights {self.weights} has {len(self.weights)} entries and task {moment.task}"
                " needs one more: give one weight for every task of the stream"
            )
        return self.weights[moment.task]
