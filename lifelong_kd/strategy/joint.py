"""Training on everything seen so far: the upper bound."""

from __future__ import annotations

from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss

__all__ = ["joint"]


def joint() -> Strategy:
    """Training on the data of all tasks so far together: the upper bound.

    ``L = CE(batch from tasks 0..t)``, going on from the current weights. It keeps all data, so it is no continual
    learner; after the last task it is the "Joint" or "Offline" row of the literature, seen in growing portions (FACIL's
    incremental joint training; van de Ven et al. 2022 and Buzzega et al. 2020 train once on the union).
    """
    return Strategy(task_loss=TaskLoss("all"), train_on="everything")
