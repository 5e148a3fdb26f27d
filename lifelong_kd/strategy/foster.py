"""FOSTER: what a task has taught is distilled into a model of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.phase.consolidation import Consolidation
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["foster"]


def foster(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 0.25,
    memory: Annotated[object, Component("memory")] = 2000,
    task_loss: Classes = "seen",
    compression_epochs: int | None = None,
    compression_lr: float | None = None,
    balance: float = 0.97,
    start: Literal["fresh", "warm"] = "fresh",
) -> Strategy:
    """FOSTER's compression: after each task the trained model teaches a new one, rare classes counting more.

    First ``L = CE(new data and exemplars) + weight * T^2 KL(previous^T || student^T)`` over the old classes.
    Then the student is frozen and distilled into one that begins anew, on the same data, by balanced
    distillation: ``T^2 KL(q || student^T)`` with ``q_c`` in proportion to ``w_c teacher^T_c``, w_c larger for
    classes with fewer samples.

    Paper: Wang et al. 2022, "FOSTER: Feature Boosting and Compression for Class-Incremental Learning", arXiv
    2204.04662, its feature compression, and its code: T = 2, 2000 exemplars, beta = 0.97, 170 epochs of
    boosting and 130 of compression. Its distillation from the previous model carries no T^2 and has weight 1:
    0.25 here. Not here: the boosting itself, in which a second backbone is trained beside the frozen one,
    with class weights in its loss, and which the compression brings back to one. So this is no reproduction
    of FOSTER, but its second half after an ordinary distillation. Teacher and student of the compression have
    one architecture here, and the student begins ``fresh`` where the code's begins with the old backbone's
    weights.

    Args:
        temperature: T, softens teachers and students, in both parts.
        weight: weight of the previous model's term: a number, one a task, or a schedule.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, or those ``seen`` so far.
        compression_epochs: epochs of the compression; as many as the main training if null.
        compression_lr: its learning rate; that of the run if null.
        balance: beta in [0, 1) of the class weights ``(1 - beta) / (1 - beta^n_c)``; 0 for none.
        start: whether the compressed student begins ``fresh`` or ``warm``, with what it has just learned.

    Example:
        strategy: {name: foster, memory: 2000}
    """
    compression = Consolidation(
        epochs=compression_epochs, lr=compression_lr, temperature=temperature, start=start, balance=balance
    )
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"previous": Distill(Snapshot(), Kd(temperature=temperature), weight=weight, over="old")},
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        phases=[compression],
    )
