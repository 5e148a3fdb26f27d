"""Learning without Forgetting."""

from __future__ import annotations

from typing import Annotated, Literal

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.phase.warm_up import WarmUp
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["lwf"]


def lwf(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 0.25,
    task_loss: Classes = "all",
    task_weight: Annotated[object, Component("schedule")] = 1.0,
    over: Literal["old", "all", "per_task", "padded"] = "old",
    warm_up: int = 0,
    warm_up_lr: float | None = None,
) -> Strategy:
    """Learning without Forgetting: the previous model teaches the new one on the new task's data.

    ``L = task_weight * CE(new batch) + weight * T^2 KL(teacher^T || student^T)`` over the old classes.
    Without a memory.

    Paper: Li & Hoiem 2016, "Learning without Forgetting", arXiv 1606.09282, equations 2 and 3; T = 2 by their
    grid search. Their cross-entropy of softened outputs carries no T^2 and a weight lambda_o = 1, which is
    ``weight`` = 1 / T^2 = 0.25 here; FACIL's lambda = 10 is 2.5, PyCIL's 3 is 0.75, Avalanche's alpha = 1 is
    0.25. The paper warms up the new head first (``warm_up``; most codes leave it out) and has a head for each
    task (the ``multihead`` head in a task-incremental stream).

    Van de Ven et al. (2022, doi:10.1038/s42256-022-00568-3) have no T^2 either: in their code the
    class-incremental weight 1 over all ten columns is ``weight`` = 0.25 with ``over: all``
    (``configs/split_mnist/lwf_three_scenarios.yaml``). Where their columns grow with the classes seen, the
    teacher says 0 to the new ones: ``over: padded``.

    In a class-incremental stream the choice of ``task_loss`` decides more than the teacher does: over ``all``
    classes the task loss pushes the old classes out while the teacher pulls them back; over ``new`` it leaves
    them to the teacher.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation term: a number, one a task, or a schedule.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
        task_weight: weight of the cross-entropy: a number, one a task, or a schedule.
        over: classes that are distilled: the ``old`` ones in one softmax (in a task-incremental stream each
            earlier task on its own), ``all`` columns in one softmax whatever the stream, ``per_task``, one
            softmax for each earlier task, or ``padded``, those seen, of which the teacher gives the new ones
            probability 0.
        warm_up: epochs at the start of a task in which only the head is trained, on the new data alone.
        warm_up_lr: learning rate of the warm-up; that of the run if null.

    Example:
        strategy: {name: lwf, temperature: 2.0, weight: 2.5, task_loss: new}
    """
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"kd": Distill(Snapshot(), Kd(temperature=temperature), weight=weight, over=over)},
        task_weight=task_weight,
        phases=[WarmUp(epochs=warm_up, lr=warm_up_lr)] if warm_up else [],
    )
