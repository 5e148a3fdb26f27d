"""One weight for the whole stream."""

from __future__ import annotations

import math

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Schedule

__all__ = ["Constant"]


class Constant(Schedule):
    """The same weight all the time; a plain number in a configuration means this.

    Args:
        weight: at least 0; 0 switches the term off.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        if not 0 <= weight < math.inf:
            raise BadCall(f"a weight must be at least 0 and finite, got {weight}")
        self.weight = weight

    def __call__(self, moment: Moment) -> float:
        return self.weight
