"""DMC: deep model consolidation."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Moment
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.phase.fresh import FreshStart
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.stream.pool import Pool
from lifelong_kd.teacher.concatenation import Concatenation
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["dmc"]


class _FirstTaskOnly(Schedule):
    """1 in the first task, 0 after it."""

    def __call__(self, moment: Moment) -> float:
        return 1.0 if moment.task == 0 else 0.0


def dmc(
    *,
    pool: Annotated[Pool, Component("pool")],
    pool_batch: int | None = None,
    weight: Annotated[object, Component("schedule")] = 1.0,
    task_loss: Classes = "all",
    expert_epochs: int | None = None,
    expert_lr: float | None = None,
    fresh: bool = True,
) -> Strategy:
    """DMC: two experts, of old classes and of new ones, are consolidated into one model on unlabelled data.

    From the second task on a network of its own learns the new task alone; the student begins anew and learns
    nothing but ``L = weight * mean_c (student_c - [z_old, z_new]_c)^2`` on samples of the pool, where the
    logits of either expert are moved to mean 0 over its classes. No labels, no memory.

    Needs: a class- or task-incremental stream, in which no class comes again.

    Paper: Zhang et al. 2020, "Class-incremental Learning via Deep Model Consolidation", arXiv 1903.07864,
    equations 2 to 4: the double distillation loss is a mean over the classes as here, so its weight of 1
    holds one to one. The paper's mean that is subtracted is over an expert's classes, FACIL's over the
    samples of the batch; here it is the paper's. Its pool is ImageNet32x32, in batches of 128.

    In each step the student also sees the batch of the new task, without learning from it; its BatchNorm
    statistics follow both.

    Args:
        pool: where unlabelled samples are drawn from.
        pool_batch: samples drawn a step; as many as the new batch if null.
        weight: weight of the double distillation: a number, one a task, or a schedule.
        task_loss: over which classes the cross-entropy of the first task is taken: ``all`` columns, those
            ``seen`` so far, or the ``new``.
        expert_epochs: epochs of the new task's expert; as many as the main training if null.
        expert_lr: its learning rate; that of the run if null.
        fresh: whether expert and student begin anew in every task, as in the paper, or from the previous
            model.

    Example:
        strategy: {name: dmc, pool: {name: files, path: images}}
    """
    expert = Expert()
    both = Concatenation(old=Snapshot(), new=expert, center=True)
    training = ExpertPhase(
        expert, start="fresh" if fresh else "warm", epochs=expert_epochs, lr=expert_lr, over="new"
    )
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=_FirstTaskOnly(),
        terms={"consolidate": Distill(both, Mse(), source="external", weight=weight, over="seen")},
        phases=[training, FreshStart()] if fresh else [training],
        pool=pool,
        pool_batch=pool_batch,
    )
