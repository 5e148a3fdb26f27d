"""BiC: bias correction."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.correction.bias import BiasLayers
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.schedule.ratio import Complement, OldAll
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["bic"]


def bic(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] | None = None,
    task_weight: Annotated[object, Component("schedule")] | None = None,
    memory: Annotated[object, Component("memory")] = 2000,
    task_loss: Classes = "seen",
    held: float = 0.1,
    epochs: int = 200,
    lr: float = 0.1,
) -> Strategy:
    """BiC: distillation, and two numbers a task that take back the lead of the new classes.

    ``L = task_weight * CE(new data and exemplars) + weight * T^2 KL(teacher^T || student^T)`` over the old
    classes in one softmax. Then ``z_c <- alpha z_c + beta`` of the new classes is fitted on samples that were
    kept out of the training, as many of each class; teacher and student speak with the corrections they have.

    Paper: Wu et al. 2019, "Large Scale Incremental Learning", arXiv 1905.13260, equations 1 to 5; T = 2, 2000
    herded exemplars of which a tenth is kept out. With lambda = o / (o + n) for o old and n new classes it
    weighs the cross-entropy 1 - lambda and the distillation lambda. The latter carries no T^2, so ``weight``
    is lambda / T^2 here; mammoth has T^2. Avalanche's softmax goes over the batch, and its T is always 2;
    neither is so here.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation term: a number, one a task, or a schedule; ``lambda / T^2`` if
            null.
        task_weight: weight of the cross-entropy: a number, one a task, or a schedule; ``1 - lambda`` if null.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, or those ``seen`` so far.
        held: share of the exemplars that are kept out of the training, and as many new samples a class.
        epochs: of the fit of alpha and beta.
        lr: its learning rate.

    Example:
        strategy: {name: bic, memory: 2000}
    """
    bias = BiasLayers(epochs=epochs, lr=lr)
    usual = OldAll(scale=1 / temperature**2)
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=Complement(of=OldAll()) if task_weight is None else task_weight,
        terms={
            "kd": Distill(
                Snapshot().corrected_by(bias),
                Kd(temperature=temperature),
                weight=usual if weight is None else weight,
            )
        },
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        corrections=[bias],
        held=held,
    )
