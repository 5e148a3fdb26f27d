"""Less-forgetting learning."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.feature_l2 import FeatureL2
from lifelong_kd.phase.freeze import Freeze
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["lfl"]


def lfl(
    *,
    weight: Annotated[object, Component("schedule")] = 8e-4,
    freeze_head: bool = True,
    task_loss: Classes = "all",
) -> Strategy:
    """LFL: new features stay near those of the previous model, below a classifier that does not move.

    ``L = CE(new batch) + weight * || f_student - f_teacher ||_2^2``, the squares summed over the features
    and meaned over the new batch. The classifier is frozen from the second task on. Without a memory.

    Paper: Jung, Ju, Jung, Kim 2016, "Less-forgetting learning in deep neural networks", arXiv 1607.00122,
    section 3, for tasks of the same classes (a domain-incremental stream). Its L_e
    has a factor 1/2: a lambda_e of 1.6e-3 (its digits) is ``weight`` = 8e-4, 3.9e-4 (its CIFAR-10) is
    1.95e-4. ANCL's code, for tasks with classes of their own, centres and normalises the features, takes
    the mean over their dimensions with a weight of 800, and lets each task's head learn; that is
    ``freeze_head: false`` here, without the centring.

    Args:
        weight: weight of the features' distance: a number, one a task, or a schedule.
        freeze_head: whether the classifier is frozen after the first task. Where a later task brings
            classes of its own their rows would never be learned: then set it to false.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"features": Distill(Snapshot(), FeatureL2(squared=True), weight=weight)},
        phases=[Freeze(part="head")] if freeze_head else [],
    )
