"""X-DER: dark experience replay that keeps what it stored up to date."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.caps import FutureCap, PastCap
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Rehearse
from lifelong_kd.strategy.transplant import Transplant

__all__ = ["xder"]


def xder(
    *,
    alpha: Annotated[object, Component("schedule")] = 0.3,
    beta: Annotated[object, Component("schedule")] = 0.8,
    gamma: float = 0.85,
    eta: Annotated[object, Component("schedule")] = 0.001,
    margin: float = 0.7,
    memory: Annotated[object, Component("memory")] = 500,
    memory_batch: int | None = None,
) -> Strategy:
    """X-DER: DER++ whose stored logits learn of later classes, with caps on past and future ones.

    ``L = CE(new batch, new classes) + alpha * MSE(student, stored logits) + beta * CE(second memory batch,
    old classes) + eta * (past cap + future cap)``. Stored logits of classes that came later are overwritten
    by what the student says of them, shrunk to at most ``gamma`` times the true class's. The caps keep old
    classes' probabilities on new data, and future classes' logits on all, a margin below the own task's.
    For future classes to exist the head needs all columns from the start (the head ``linear`` without
    ``grow``).

    Needs: a class- or task-incremental stream, in which no class comes again.

    Paper: Boschini, Bonicelli, Buzzega, Porrello, Calderara 2022, "Class-incremental continual learning
    into the eXtended DER-verse", TPAMI, arXiv 2201.00766, section 4. This is X-DER without its contrastive
    preparation of future classes (the paper's L_FP, weight 0.05 to 0.1), the part that needs strong
    augmentation; its variants with CE or fixed simplex classifiers (RPC) in that place are not built
    either. MSE is the mean over samples and columns, as in the authors' code, and no weight is converted:
    0.3, 0.8, 0.001 and 0.7 are theirs for Split-CIFAR-100 with 500 samples (0.6, 0.9, 0.01 and 0.2 with
    2000). Readings: exemplars are chosen and stored logits renewed in evaluation mode without augmentation
    at the end of a task, in the code in training mode with it.

    Args:
        alpha: weight of the distance to the stored logits: a number, one a task, or a schedule.
        beta: weight of the labels of the second batch, over old classes alone.
        gamma: share of the true class's logit that a rewritten one may have at most, in (0, 1].
        eta: weight of both caps.
        margin: of both caps, at least 0; m in the paper.
        memory: what is kept; a number is that many exemplars in total, as many of each class, at random.
        memory_batch: samples in each of the two draws; as many as the new batch if null.
    """
    return Strategy(
        task_loss=TaskLoss("new"),
        terms={
            "logits": Transplant(gamma=gamma, weight=alpha),
            "labels": Rehearse(TaskLoss("old"), source="memory2", weight=beta),
            "past": PastCap(margin=margin, weight=eta),
            "future": FutureCap(margin=margin, weight=eta),
        },
        memory=as_memory(memory, "balanced"),
        memory_batch=memory_batch,
    )
