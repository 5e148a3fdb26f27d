"""Function distance regularisation."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.probability_l2 import ProbabilityL2
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.stored import Stored

__all__ = ["fdr"]


def fdr(
    *,
    alpha: Annotated[object, Component("schedule")] = 1.0,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """FDR: stored samples keep the probabilities they had at the end of their task, by a step of their own.

    Two steps of the optimiser a batch: one on ``CE(new batch)``, then one on ``alpha * mean ||
    softmax(student) - softmax(stored) ||_2`` over a memory batch, which the student is asked about after
    the first step.

    Paper: Benjamin, Rolnick, Kording 2019, "Measuring and regularizing networks in function space", arXiv
    1805.08289, section 3. The paper adds the distance to the loss; the two steps are those of the code by
    which Buzzega et al. 2020 (arXiv 2004.07211) compare it. They list alpha = 0.3 or 1 for Split-CIFAR-10,
    but their second step never multiplies by it: ``alpha`` = 1 here, and their numbers are those of 1
    throughout. Their stored outputs are those of an augmented view in training mode, ours those of the
    sample itself in evaluation mode.

    Args:
        alpha: weight of the distance to the stored probabilities: a number, one a task, or a schedule.
        memory: what is kept; a number is that many samples in total, shared evenly by the tasks so far and
            drawn at random at the end of each.
        memory_batch: samples drawn a step; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={
            "function": Distill(
                Stored(), ProbabilityL2(), source="memory", weight=alpha, over="all", separate=True
            )
        },
        memory=as_memory(memory, "random"),
        memory_batch=memory_batch,
    )
