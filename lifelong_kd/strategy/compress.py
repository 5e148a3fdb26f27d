"""Compression: a large teacher for each task, and a small student that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.model.transfer import Transfer
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["compress"]


def compress(
    *,
    large: Annotated[object, Component("model", later=True)] | None = None,
    assistants: Sequence[Annotated[object, Component("model", later=True)]] = (),
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 1.0,
    previous: Annotated[object, Component("schedule")] = 1.0,
    assistant_weight: float = 1.0,
    memory: Annotated[object, Component("memory")] | None = None,
    task_loss: Classes | None = None,
    expert_epochs: int | None = None,
    expert_lr: float | None = None,
    transfer: Transfer = "none",
) -> Strategy:
    """Compression: in each task a large network learns the new data and teaches them to the small student.

    ``L = CE(new batch) + weight * T^2 KL(teacher^T || student^T) over new + previous * T^2 KL(previous^T ||
    student^T) over old``. The large network is drawn anew for each task, the first included, and forgotten
    when the next begins; old classes are taught by the student as it was. Assistants of sizes in between
    pass on what it knows: each is taught by the one before, ``CE + assistant_weight * T^2 KL(one before^T ||
    assistant^T)``, and the last teaches the student.

    Papers: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531;
    Mirzadeh et al. 2020, "Improved Knowledge Distillation via Teacher Assistant", arXiv 1902.03393, for one
    task with all classes: their lambda is ``weight / (1 + weight)`` here. The stream of tasks is ours.

    Args:
        large: architecture of the large network, as in the part ``model``; the student's if null.
        assistants: architectures of the assistants, from the large network to the student.
        temperature: T, softens teachers and students.
        weight: weight of the task's teacher: a number, one a task, or a schedule.
        previous: weight of the previous model, on the old classes: a number, one a task, or a schedule.
        assistant_weight: weight of its teacher in an assistant's training, above 0.
        memory: exemplars that join the training set; a number is that many in total, chosen by herding; none
            if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or the
            ``new``; if null the ``new`` without a memory and those ``seen`` with one.
        expert_epochs: epochs of the large network and of each assistant; as many as the main training if null.
        expert_lr: their learning rate; that of the run if null.
        transfer: weights of its teacher, the large network or the last assistant, that the student begins the first
            task with: ``none``, ``slice``, ``norm`` or ``importance``, as in the phase ``expert``.

    Example:
        strategy: {name: compress, large: {name: mlp, hidden: [400, 400]}, assistants: [{name: mlp, hidden: [100]}]}
    """
    chain = [Expert(model=large), *(Expert(model=model) for model in assistants)]
    phases = [
        ExpertPhase(
            expert,
            start="fresh",
            epochs=expert_epochs,
            lr=expert_lr,
            first_task=True,
            taught_by=chain[number - 1] if number else None,
            weight=assistant_weight,
            temperature=temperature,
            transfer=transfer if expert is chain[-1] else "none",
        )
        for number, expert in enumerate(chain)
    ]
    knowledge = Kd(temperature=temperature)
    strategy = Strategy(
        task_loss=TaskLoss(task_loss or ("new" if memory is None else "seen")),
        terms={
            "teacher": Distill(chain[-1], knowledge, weight=weight, over="new"),
            "previous": Distill(Snapshot(), knowledge, weight=previous, over="old"),
        },
        memory=as_memory(memory, "herding") if memory is not None else None,
        train_on="new" if memory is None else "new_and_memory",
        phases=phases,
    )
    names = ["large", *(f"assistant {number}" for number in range(1, len(chain)))]
    strategy.called = dict(zip(names, chain, strict=True))
    return strategy
