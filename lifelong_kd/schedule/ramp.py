"""Weights that rise or fall within a task."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Wrapping

__all__ = ["Cosine", "Linear", "WarmUp"]


class _Ramp(Wrapping):
    def __init__(self, of: object, start: float, stop: float, share: float) -> None:
        super().__init__(of)
        for name, factor in (("start", start), ("stop", stop)):
            if not 0 <= factor < math.inf:
                raise BadCall(f"{name} must be at least 0 and finite, got {factor}")
        if not 0 < share <= 1:
            raise BadCall(f"share must lie in (0, 1], got {share}")
        self.start, self.stop, self.share = start, stop, share

    def __call__(self, moment: Moment) -> float:
        way = self.way(min(moment.progress / self.share, 1.0))
        return self.of(moment) * ((1.0 - way) * self.start + way * self.stop)

    @abstractmethod
    def way(self, done: float) -> float:
        """How far the factor has come from ``start`` (0) to ``stop`` (1) when ``done`` of the ramp's steps are."""


class Linear(_Ramp):
    """Straight ramp in every task, w * (start + (stop - start) * p) with p the part of the ramp that is done.

    p grows from 0 to 1 over the first ``share`` of the task's steps and stays there.

    Args:
        of: the weight w that is multiplied: a schedule, a number, or a list with one number a task.
        start: factor at the task's first step, at least 0.
        stop: factor at the end of the ramp, at least 0.
        share: part of the task's steps that the ramp takes, in (0, 1].
    """

    def __init__(
        self,
        *,
        of: Annotated[object, Component("schedule")] = 1.0,
        start: float = 0.0,
        stop: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(of, start, stop, share)

    def way(self, done: float) -> float:
        return done


class Cosine(_Ramp):
    """Half a cosine in every task, w * (start + (stop - start) * (1 - cos(pi p)) / 2), flat at both ends.

    p grows from 0 to 1 over the first ``share`` of the task's steps and stays there. The shape is that of cosine
    annealing without restarts (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5).

    Args:
        of: the weight w that is multiplied: a schedule, a number, or a list with one number a task.
        start: factor at the task's first step, at least 0.
        stop: factor at the end of the ramp, at least 0.
        share: part of the task's steps that the ramp takes, in (0, 1].
    """

    def __init__(
        self,
        *,
        of: Annotated[object, Component("schedule")] = 1.0,
        start: float = 0.0,
        stop: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(of, start, stop, share)

    def way(self, done: float) -> float:
        return (1.0 - math.cos(math.pi * done)) / 2


class WarmUp(Linear):
    """Warm-up at the beginning of every task: the weight grows from 0 to its full value, then stays.

    Args:
        of: the full weight: a schedule, a number, or a list with one number a task.
        share: part of the task's steps that the warm-up takes, in (0, 1].
    """

    def __init__(self, *, of: Annotated[object, Component("schedule")] = 1.0, share: float = 0.1) -> None:
        super().__init__(of=of, share=share)
