"""The contract of a schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from lifelong_kd.core.types import Moment
from lifelong_kd.schedule import as_schedule

__all__ = ["Schedule", "Wrapping"]


class Schedule(ABC):
    """A weight, at least 0, for each moment of a stream. A weight of 0 switches the term off entirely."""

    adaptive: ClassVar[bool] = False
    """Whether the weight follows from the size of gradients, which it is then told through ``observe``."""

    @abstractmethod
    def __call__(self, moment: Moment) -> float:
        """The weight at ``moment``."""

    def parts(self) -> Iterator[Schedule]:
        """This schedule, and those that it is made of."""
        yield self

    def wants(self, step: int) -> bool:
        """Whether an adaptive schedule wants to be told about the gradients of step ``step``, counted from 0."""
        return False

    def observe(self, task_norm: float, term_norm: float) -> None:
        """Take notice of the norms of the gradients of the task loss and of the unweighted term."""

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart, of this schedule alone and not of its other parts."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


class Wrapping(Schedule):
    """A schedule that changes what another one says.

    Args:
        of: the other schedule: a schedule, a number or a list with one number a task.
    """

    def __init__(self, of: object) -> None:
        self.of = as_schedule(of)

    def parts(self) -> Iterator[Schedule]:
        yield self
        yield from self.of.parts()
