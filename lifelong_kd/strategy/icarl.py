"""iCaRL: incremental classifier and representation learning."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.knowledge.bce import Bce
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["icarl"]


def icarl(
    *,
    memory: Annotated[object, Component("memory")] = 2000,
    weight: Annotated[object, Component("schedule")] = 1.0,
) -> Strategy:
    """iCaRL: herded exemplars, sigmoid distillation and the nearest mean of exemplars.

    ``L = sum_{c new} BCE(student_c, label_c) + weight * sum_{c old} BCE(student_c, sigmoid(teacher_c))``,
    mean over new data and exemplars in one shuffled set. Predictions are those of the nearest mean of
    exemplars.

    Paper: Rebuffi et al. 2017, "iCaRL: Incremental Classifier and Representation Learning", arXiv 1611.07725,
    algorithms 1 to 5; 2000 exemplars in total are theirs for CIFAR-100. Their code takes the mean over
    classes, ours the sum (as in the paper's formula): for C classes a learning rate of theirs is C times
    ours.

    Args:
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        weight: weight of the distillation term: a number, one a task, or a schedule.
    """
    return Strategy(
        task_loss=TaskLoss("new", kind="bce"),
        terms={"distill": Distill(Snapshot(), Bce(), weight=weight, over="old")},
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        corrections=[NearestMean()],
    )
