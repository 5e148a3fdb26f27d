"""Weights that follow from how much is old and how much is new."""

from __future__ import annotations

import math
from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Schedule, Wrapping

__all__ = [
    "Complement",
    "InverseTask",
    "OldAll",
    "PowerRatio",
    "SampleShare",
    "SqrtAllNew",
    "SqrtOldNew",
    "TaskRatio",
]


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


class SqrtAllNew(_Scaled):
    """Root of all by new classes, scale * sqrt((o + n) / n): PODNet and AFC.

    Paper: Douillard et al., "PODNet" (2020, arXiv 2004.13513), whose code has scale 3 for the pooled maps and 1 for the
    features. Its text can be read as old by new classes, which is LUCIR's ``sqrt_old_new``; its code counts the new
    classes among all, and so does this schedule. AFC (Kang et al. 2022, arXiv 2204.00895): the same with scale 4.

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        return self.scale * math.sqrt((moment.old + moment.new) / moment.new) if moment.new else 0.0


class PowerRatio(_Scaled):
    """Power of all by new classes, scale * ((o + n) / n)**power: CCIL (scale 5, power 0.66).

    Paper: Mittal, Galesso, Brox, "Essentials for Class Incremental Learning" (2021, arXiv 2102.09517). The default
    power is that of its code, whose distillation loss is a mean over classes too and hence smaller by their number.

    Args:
        scale: factor, at least 0.
        power: exponent, at least 0; 0.5 is ``sqrt_all_new``, 0 a constant.
    """

    def __init__(self, *, scale: float = 1.0, power: float = 0.66) -> None:
        super().__init__(scale=scale)
        if not 0 <= power < math.inf:
            raise BadCall(f"power must be at least 0 and finite, got {power}")
        self.power = power

    def __call__(self, moment: Moment) -> float:
        return self.scale * ((moment.old + moment.new) / moment.new) ** self.power if moment.new else 0.0


class InverseTask(_Scaled):
    """One by tasks so far, scale / t, t counting from 1: weight of the new data (van de Ven et al. 2022, methods).

    The complement of ``task_ratio``.

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        return self.scale / (moment.task + 1)


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


class Complement(Wrapping):
    """One less another schedule, 1 - w, for two weights that share a whole.

    Args:
        of: the other schedule, with values of at most 1.
    """

    def __init__(self, *, of: Annotated[object, Component("schedule")]) -> None:
        super().__init__(of)

    def __call__(self, moment: Moment) -> float:
        other = self.of(moment)
        if other > 1:
            raise BadCall(
                f"the complement of a weight above 1 would be negative; the other weight is {other}"
            )
        return 1.0 - other
