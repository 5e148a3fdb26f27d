"""TA: teacher adaptation."""

from __future__ import annotations

from typing import Annotated, Literal

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.bce import Bce
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.knowledge.options import chosen
from lifelong_kd.phase.warm_up import WarmUp
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["ta"]


def ta(
    *,
    on: Literal["lwf", "lwf_mc"] = "lwf",
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] | None = None,
    task_loss: Classes = "new",
    warm_up: int = 0,
    warm_up_lr: float | None = 0.1,
) -> Strategy:
    """TA: LwF with a teacher that normalises by the new data's statistics, as the student does.

    The previous model's weights stay; its BatchNorm layers take mean and variance of the batch, and their
    running ones follow. ``L = CE(new batch) + weight * T^2 KL(teacher^T || student^T)`` over the old classes,
    or with ``on: lwf_mc`` the sum of their binary cross-entropies. Without a memory. A model without
    BatchNorm gives plain LwF.

    Paper: Szatkowski, Pyla, Przewiezlikowski, Cygert, Twardowski, Trzcinski 2024, "Adapt Your Teacher:
    Improving Knowledge Distillation for Exemplar-free Continual Learning", arXiv 2308.09544, section 3. Its
    code has lambda = 10 at T = 2 without T^2 for LwF, 2.5 here, and 0.5 for LwF.MC, which holds one to one; a
    softmax cross-entropy over the new classes in both; and where the head is warmed up 200 epochs of it at
    0.1 with a one-cycle schedule, here a constant rate. Its scripts use the test set for validation, which
    makes its published numbers optimistic.

    Args:
        on: which loss is distilled, ``lwf`` or ``lwf_mc``.
        temperature: T, softens teacher and student of ``lwf``.
        weight: weight of the distillation term: a number, one a task, or a schedule; the paper's if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``, as in the code.
        warm_up: epochs at the start of a task in which only the head is trained, on the new data alone.
        warm_up_lr: learning rate of the warm-up; that of the run if null.

    Example:
        strategy: {name: ta, warm_up: 20}
        model: {name: resnet32}
    """
    chosen("on", on, ("lwf", "lwf_mc"))
    knowledge: Knowledge = Kd(temperature=temperature) if on == "lwf" else Bce()
    usual = 10.0 / temperature**2 if on == "lwf" else 0.5
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"kd": Distill(Snapshot(bn="adapt"), knowledge, weight=usual if weight is None else weight)},
        phases=[WarmUp(epochs=warm_up, lr=warm_up_lr)] if warm_up else [],
    )
