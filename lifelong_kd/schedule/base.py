"""The contract of a schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lifelong_kd.core.types import Moment

__all__ = ["Schedule"]


class Schedule(ABC):
    """A weight, at least 0, for each moment of a stream. A weight of 0 switches the term off entirely."""

    @abstractmethod
    def __call__(self, moment: Moment) -> float:
        """The weight at ``moment``."""
