"""LwF.MC: Learning without Forgetting with sigmoid outputs."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.bce import Bce
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["lwf_mc"]


def lwf_mc(*, weight: Annotated[object, Component("schedule")] = 1.0) -> Strategy:
    """LwF.MC: each class a yes-or-no question; the previous model answers those of the old classes.

    ``L = sum_{c new} BCE(student_c, label_c) + weight * sum_{c old} BCE(student_c, sigmoid(teacher_c))`` on
    the new data. It is iCaRL without exemplars, predicting by the largest output.

    Paper: the comparison of that name in Rebuffi et al. 2017, "iCaRL", arXiv 1611.07725, section 4, after Li
    & Hoiem 2016. The sum over the classes is the paper's formula (algorithm 3), with weight 1 as both sums
    are one loss there. mammoth takes the mean over the old and new classes, which is a learning rate smaller
    by their number; Szatkowski et al. (2024) sum as here, have weight 0.5, and a softmax cross-entropy for
    the new classes.

    Args:
        weight: weight of the distillation term: a number, one a task, or a schedule.

    Example:
        strategy: {name: lwf_mc}
    """
    return Strategy(
        task_loss=TaskLoss("new", kind="bce"),
        terms={"distill": Distill(Snapshot(), Bce(), weight=weight, over="old")},
    )
