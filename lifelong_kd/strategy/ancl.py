"""ANCL: an auxiliary network for the new task beside the previous model."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["ancl"]


def ancl(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 2.5,
    auxiliary: Annotated[object, Component("schedule")] = 0.25,
    task_loss: Classes = "new",
    expert_epochs: int | None = None,
    expert_lr: float | None = None,
) -> Strategy:
    """ANCL (A-LwF): the previous model teaches the old classes, a freely fine-tuned copy of it the new ones.

    ``L = CE(new batch) + weight * T^2 KL(previous^T || student^T) over old + auxiliary * T^2 KL(expert^T ||
    student^T) over new``. Before each task but the first a copy of the model learns that task alone. Without
    a memory.

    Paper: Kim, Noci, Orvieto, Hofmann 2023, "Achieving a Better Stability-Plasticity Trade-off via Auxiliary
    Networks in Continual Learning", arXiv 2303.09483, section 3 with LwF as the host. Its code has T = 2,
    lambda = 10 and lambda_a = 1 on cross-entropies of softened outputs without T^2: 2.5 and 0.25 here.

    Args:
        temperature: T, softens teachers and student.
        weight: weight of the previous model's term (lambda / T^2): a number, one a task, or a schedule.
        auxiliary: weight of the auxiliary network's term (lambda_a / T^2): a number, one a task, or a
            schedule.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``, as in the code without exemplars.
        expert_epochs: epochs of the auxiliary network; as many as the main training if null, as in the code.
        expert_lr: its learning rate; that of the run if null.

    Example:
        strategy: {name: ancl, weight: 2.5, auxiliary: 0.25}
    """
    expert, knowledge = Expert(), Kd(temperature=temperature)
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={
            "previous": Distill(Snapshot(), knowledge, weight=weight, over="old"),
            "auxiliary": Distill(expert, knowledge, weight=auxiliary, over="new"),
        },
        phases=[ExpertPhase(expert, start="warm", epochs=expert_epochs, lr=expert_lr, over="new")],
    )
