"""LwF with two snapshots' worth of weight: enough to be told apart, little enough to be read at a glance."""

from __future__ import annotations

from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot


def twin_lwf(*, temperature: float = 2.0, twice: bool = True) -> Strategy:
    """LwF whose distillation counts twice.

    Args:
        temperature: of the softened outputs.
        twice: whether it does.
    """
    weight = 2.0 if twice else 1.0
    return Strategy(
        task_loss=TaskLoss("all"),
        terms={"distill": Distill(Snapshot(), Kd(temperature=temperature), weight=weight, over="old")},
    )
