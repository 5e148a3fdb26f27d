"""Weights made of other weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule import as_schedule
from lifelong_kd.schedule.base import Schedule, Wrapping

__all__ = ["PerOldClass", "Product", "Sum"]


class _Both(Schedule):
    def __init__(self, of: object, by: object) -> None:
        self.of = as_schedule(of)
        self.by = as_schedule(by)

    def parts(self) -> Iterator[Schedule]:
        yield self
        yield from self.of.parts()
        yield from self.by.parts()


class Product(_Both):
    """The product of two weights, v * w.

    Args:
        of: v: a schedule, a number, or a list with one number a task.
        by: w, likewise.
    """

    def __init__(
        self, *, of: Annotated[object, Component("schedule")], by: Annotated[object, Component("schedule")]
    ) -> None:
        super().__init__(of, by)

    def __call__(self, moment: Moment) -> float:
        return self.of(moment) * self.by(moment)


class Sum(_Both):
    """The sum of two weights, v + w.

    Args:
        of: v: a schedule, a number, or a list with one number a task.
        by: w, likewise.
    """

    def __init__(
        self, *, of: Annotated[object, Component("schedule")], by: Annotated[object, Component("schedule")]
    ) -> None:
        super().__init__(of, by)

    def __call__(self, moment: Moment) -> float:
        return self.of(moment) + self.by(moment)


class PerOldClass(Wrapping):
    """A weight by the number of old classes, w / o, and 0 while there are none: of a mean over them written as a sum.

    The weights of CCIL (Mittal et al. 2021, arXiv 2102.09517) belong to a mean over classes.

    Args:
        of: w: a schedule, a number, or a list with one number a task.
    """

    def __init__(self, *, of: Annotated[object, Component("schedule")]) -> None:
        super().__init__(of)

    def __call__(self, moment: Moment) -> float:
        return self.of(moment) / moment.old if moment.old else 0.0
