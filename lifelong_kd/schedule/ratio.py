"""Weights that follow from how much is old and how much is new."""

from __future__ import annotations

import math
from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule import as_schedule
from lifelong_kd.schedule.base import Schedule

__all__ = ["Complement", "OldAll", "SampleShare", "SqrtOldNew", "TaskRatio"]


class _Scaled(Schedule):
    def __init__(self, *, scale: float = 1.0) -> None:
        if not 0 <= scale < math.inf:
            raise BadCall(f"scale must be at least 0 and finite, got {scale}")
        self.scale = scale


class OldAll(_Scaled):
    """Old classes by all classes, scale * o / (o + n): BiC (Wu et al. 2019, section 3.1) and WA.

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        total = moment.old + moment.new
        return self.scale * moment.old / total if total else 0.0


class SqrtOldNew(_Scaled):
    """Root of old by new classes, scale * sqrt(o / n): LUCIR (Hou et al. 2019, equation 7, scale 5).

    Args:
        scale: factor, at least 0; lambda_base in the paper.
    """

    def __call__(self, moment: Moment) -> float:
        return self.scale * math.sqrt(moment.old / moment.new) if moment.new else 0.0


class TaskRatio(_Scaled):
    """Earlier tasks by tasks so far, scale * (1 - 1 / t), t counting from 1 (van de Ven et al. 2022, methods).

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        return self.scale * (1.0 - 1.0 / (moment.task + 1))


class SampleShare(_Scaled):
    """Replayed samples by all samples of the step, scale * m / (b + m): one mean over new and replayed together.

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        total = moment.batch + moment.replayed
        return self.scale * moment.replayed / total if total else 0.0


class Complement(Schedule):
    """One less another schedule, 1 - w, for two weights that share a whole.

    Args:
        of: the other schedule, with values of at most 1.
    """

    def __init__(self, *, of: Annotated[object, Component("schedule")]) -> None:
        self.of = as_schedule(of)

    def __call__(self, moment: Moment) -> float:
        other = self.of(moment)
        if other > 1:
            raise BadCall(
                f"the complement of a weight above 1 would be negative; the other weight is {other}"
            )
        return 1.0 - other
