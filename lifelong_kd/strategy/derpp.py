"""Dark Experience Replay ++."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.stored import Stored

__all__ = ["derpp"]


def derpp(
    *,
    alpha: Annotated[object, Component("schedule")] = 0.1,
    beta: Annotated[object, Component("schedule")] = 0.5,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """DER++: dark experience replay, and the labels of a second memory batch.

    ``L = CE(new batch) + alpha * MSE(student, stored logits) + beta * CE(second memory batch)``.

    Paper: Buzzega et al. 2020, "Dark Experience for General Continual Learning", arXiv 2004.07211, equation 7
    and algorithm 2 (two independent draws); alpha 0.1 and beta 0.5 are theirs for Split-CIFAR-10 with 200
    samples.

    Args:
        alpha: weight of the distance to the stored logits: a number, one a task, or a schedule.
        beta: weight of the labels of the second batch.
        memory: what is kept; a number is a reservoir of that many samples.
        memory_batch: samples in each of the two draws; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    loss = TaskLoss(task_loss)
    return Strategy(
        task_loss=loss,
        terms={
            "logits": Distill(Stored(), Mse(), source="memory", weight=alpha, over="all"),
            "labels": Rehearse(loss, source="memory2", weight=beta),
        },
        memory=as_memory(memory, "reservoir"),
        memory_batch=memory_batch,
    )
