"""Dark Experience Replay."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.stored import Stored

__all__ = ["der"]


def der(
    *,
    alpha: Annotated[object, Component("schedule")] = 0.3,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """Dark Experience Replay: stored samples keep the logits they once had.

    ``L = CE(new batch) + alpha * MSE(student, stored logits)`` on a memory batch, MSE being the mean over
    samples and columns as in the authors' code, so alpha needs no conversion. Logits are stored when a sample
    enters the reservoir.

    Paper: Buzzega et al. 2020, "Dark Experience for General Continual Learning", arXiv 2004.07211, equation
    6; alpha 0.3 is theirs for Split-CIFAR-10.

    Args:
        alpha: weight of the distance to the stored logits: a number, one a task, or a schedule.
        memory: what is kept; a number is a reservoir of that many samples.
        memory_batch: samples drawn a step; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"logits": Distill(Stored(), Mse(), source="memory", weight=alpha, over="all")},
        memory=as_memory(memory, "reservoir"),
        memory_batch=memory_batch,
    )
