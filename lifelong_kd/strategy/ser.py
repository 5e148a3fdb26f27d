"""Strong experience replay."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.teacher.stored import Stored

__all__ = ["ser"]


def ser(
    *,
    alpha: Annotated[object, Component("schedule")] = 0.2,
    beta: Annotated[object, Component("schedule")] = 0.2,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """SER: DER++ on the past, and on the new batch the logits of the previous model.

    ``L = CE(new batch) + CE(memory batch) + alpha * MSE(student, stored logits) + beta * MSE(student(new),
    snapshot(new))``. Labels and stored logits are those of one and the same memory batch, and MSE is the mean
    over samples and columns, both as in the authors' code, so neither weight needs a conversion.

    Paper: Zhuo, Cheng, Gao, Kankanhalli 2023, "Continual learning with strong experience replay", arXiv
    2305.13622, section 3: backward consistency on the memory, forward consistency on the new data; alpha =
    beta = 0.2 are theirs for Split-CIFAR-10. Their code replays from the second task on; here, as in DER++,
    what is stored is replayed as soon as it is.

    Args:
        alpha: weight of the distance to the stored logits: a number, one a task, or a schedule.
        beta: weight of the distance to the previous model's logits on the new batch.
        memory: what is kept; a number is a reservoir of that many samples.
        memory_batch: samples drawn a step; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    loss = TaskLoss(task_loss)
    return Strategy(
        task_loss=loss,
        terms={
            "labels": Rehearse(loss, source="memory"),
            "backward": Distill(Stored(), Mse(), source="memory", weight=alpha, over="all"),
            "forward": Distill(Snapshot(), Mse(), weight=beta, over="all"),
        },
        memory=as_memory(memory, "reservoir"),
        memory_batch=memory_batch,
    )
