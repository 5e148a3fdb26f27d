"""Plain fine-tuning: the lower bound."""

from __future__ import annotations

from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss

__all__ = ["naive"]


def naive(*, task_loss: Classes = "all") -> Strategy:
    """Fine-tuning on each task in turn, with nothing against forgetting: the lower bound.

    ``L = CE(new batch)``. Also called "None", "SGD" or "finetune" in the literature.

    Args:
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    return Strategy(task_loss=TaskLoss(task_loss))
