"""Experience replay."""

from __future__ import annotations

from typing import Annotated, Literal

from lifelong_kd.core.registry import Component
from lifelong_kd.memory import as_memory
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.schedule.constant import Constant
from lifelong_kd.schedule.ratio import Complement, SampleShare, TaskRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Rehearse

__all__ = ["replay"]


def replay(
    *,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    balance: Literal["samples", "tasks", "sum"] = "samples",
    task_loss: Classes = "all",
) -> Strategy:
    """Experience replay (ER): each step also learns from stored samples.

    ``L = (1 - m) CE(new batch) + m CE(memory batch)``. No teacher: the baseline that every teacher with a
    memory has to beat.

    Paper: Chaudhry et al. 2019, "On tiny episodic memories in continual learning", arXiv 1902.10486,
    algorithm 1.

    Args:
        memory: what is kept; a number is a reservoir of that many samples.
        memory_batch: samples replayed a step; as many as the new batch if null.
        balance: how the two are weighed. ``samples``: one mean over both batches (Buzzega et al. 2020);
            ``tasks``: m = 1 - 1/t in task t = 1, 2, ... (van de Ven et al. 2022); ``sum``: each with weight
            1.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    share: dict[str, Schedule] = {"samples": SampleShare(), "tasks": TaskRatio()}
    replayed: Schedule = share.get(balance, Constant())
    loss = TaskLoss(task_loss)
    return Strategy(
        task_loss=loss,
        task_weight=Complement(of=replayed) if balance in share else 1.0,
        terms={"replay": Rehearse(loss, weight=replayed)},
        memory=as_memory(memory, "reservoir"),
        memory_batch=memory_batch,
    )
