"""WHEN and HOW MUCH: the weight of a term as a function of where in the stream we are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifelong_kd.core.registry import Registry

if TYPE_CHECKING:
    from lifelong_kd.schedule.base import Schedule

registry = Registry(
    "schedule",
    {
        "complement": "lifelong_kd.schedule.ratio:Complement",
        "constant": "lifelong_kd.schedule.constant:Constant",
        "cosine": "lifelong_kd.schedule.ramp:Cosine",
        "gradient_ratio": "lifelong_kd.schedule.gradient_ratio:GradientRatio",
        "inverse_task": "lifelong_kd.schedule.ratio:InverseTask",
        "linear": "lifelong_kd.schedule.ramp:Linear",
        "log_sqrt": "lifelong_kd.schedule.relation:LogSqrt",
        "old_all": "lifelong_kd.schedule.ratio:OldAll",
        "per_log_sqrt": "lifelong_kd.schedule.relation:PerLogSqrt",
        "per_old_class": "lifelong_kd.schedule.combined:PerOldClass",
        "per_task": "lifelong_kd.schedule.per_task:PerTask",
        "power_ratio": "lifelong_kd.schedule.ratio:PowerRatio",
        "product": "lifelong_kd.schedule.combined:Product",
        "sample_share": "lifelong_kd.schedule.ratio:SampleShare",
        "sqrt_all_new": "lifelong_kd.schedule.ratio:SqrtAllNew",
        "sqrt_old_new": "lifelong_kd.schedule.ratio:SqrtOldNew",
        "sum": "lifelong_kd.schedule.combined:Sum",
        "task_ratio": "lifelong_kd.schedule.ratio:TaskRatio",
        "warmup": "lifelong_kd.schedule.ramp:WarmUp",
    },
)
register = registry.register

shorthand = (int, float, list)
"""Plain values that stand for a schedule: a number for a constant, a list for one weight a task."""


def as_schedule(value: object) -> Schedule:
    """The schedule that ``value`` stands for: a schedule itself, a number, or a list with one number a task."""
    from lifelong_kd.schedule.base import Schedule
    from lifelong_kd.schedule.constant import Constant
    from lifelong_kd.schedule.per_task import PerTask

    if isinstance(value, Schedule):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Constant(weight=float(value))
    if isinstance(value, list | tuple):
        return PerTask(weights=[float(weight) for weight in value])
    raise TypeError(f"a weight is a number, a list of numbers or a schedule, not {value!r}")
