"""CCIL: compositional class-incremental learning."""

from __future__ import annotations

import copy
from typing import Annotated

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Batch
from lifelong_kd.knowledge.kd import Kd, kd_loss
from lifelong_kd.memory import as_memory
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.phase.base import Phase, Stage
from lifelong_kd.phase.fit import fit
from lifelong_kd.schedule.combined import PerOldClass, Product, Sum
from lifelong_kd.schedule.ratio import Complement, OldAll, PowerRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.columns import pick
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse, Term
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["AmongAll", "SelfDistillation", "ccil"]


class AmongAll(Term):
    """The task loss of the new batch over all classes seen, from the second task on."""

    def __init__(self, *, weight: object) -> None:
        super().__init__("new", weight)

    def value(self, lesson: Lesson) -> torch.Tensor | None:
        batch, task = lesson.batch("new"), lesson.task
        if batch is None or not task.old:
            return None
        return TaskLoss("seen")(lesson.student("new").logits, batch.y, batch.label, task)


class SelfDistillation(Phase):
    """The first task's model goes on learning that task, taught by itself as it was, for some generations.

    ``L = task loss + weight / n * T^2 KL(model before^T || model^T)`` over the n classes.

    Args:
        generations: how often.
        epochs: of each generation.
        lr: learning rate; that of the run if ``None``.
        temperature: T.
        weight: weight of the mean over the classes.
    """

    when = "after"

    def __init__(
        self, *, generations: int, epochs: int, lr: float | None, temperature: float, weight: float
    ) -> None:
        if generations < 0 or epochs < 1:
            raise BadCall(f"generations must be at least 0 and epochs 1, got {generations} and {epochs}")
        self.generations = generations
        self.epochs = epochs
        self.lr = lr
        self.temperature = temperature
        self.weight = weight

    def run(self, stage: Stage) -> None:
        if stage.task.index:
            return
        classes = tuple(sorted(stage.task.new))
        for number in range(self.generations):
            teacher = frozen_copy(stage.model)

            def loss(batch: Batch, teacher: torch.nn.Module = teacher) -> torch.Tensor:
                student = stage.say(stage.model, batch.x, batch.label).logits
                with torch.no_grad():
                    said = stage.say(teacher, batch.x, batch.label).logits
                kd = kd_loss(pick(student, classes), pick(said, classes), self.temperature).mean()
                return stage.loss(student, batch.y, batch.label) + self.weight / len(classes) * kd

            fit(stage, stage.model, loss, name=f"self_distillation_{number}", epochs=self.epochs, lr=self.lr)


def ccil(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] | None = None,
    memory: Annotated[object, Component("memory")] = 2000,
    memory_batch: int | None = None,
    self_distillation: int = 0,
    self_epochs: int = 70,
    self_lr: float | None = None,
) -> Strategy:
    """CCIL: new data compete among the new classes only, exemplars among all, both with distillation.

    ``L = CE(new batch over new) + CE(exemplars over seen) + weight * T^2 KL(teacher^T || student^T)`` over
    the old classes, on the new batch and on the exemplars of all classes seen. With ``self_distillation`` the
    first task's model is taught by itself once more before the second task.

    Paper: Mittal, Galesso, Brox 2021, "Essentials for Class Incremental Learning", arXiv 2102.09517, section
    3; T = 2, 2000 exemplars. Its code's distillation is a mean over the o old classes too, T^2 included, at a
    weight of 5 * ((o + n) / n)^0.66, which is that number over o here. Its self-distillation is one
    generation of 70 epochs at weight 10 and learning rate 0.1 that goes on from the trained model. Its code
    chooses exemplars of the new classes before they are learned, at random, so that its batches of exemplars
    are of all classes seen; here the new batch stands for the part n / (o + n) of them that is new. Its later
    tasks have a tenth of the first one's learning rate.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation on either batch: a number, one a task, or a schedule; the paper's
            if null.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        memory_batch: exemplars replayed a step; as many as the new batch if null, as in the code.
        self_distillation: generations of self-distillation after the first task; the paper compares 0 and 1.
        self_epochs: epochs of each.
        self_lr: their learning rate; that of the run if null.

    Example:
        strategy: {name: ccil, memory: 2000, self_distillation: 1}
    """
    teacher, knowledge = Snapshot(), Kd(temperature=temperature)
    scale = PerOldClass(of=PowerRatio(scale=5.0, power=0.66)) if weight is None else weight
    # The exemplars of the authors' code are of old and new classes, as many of each; ours of the old ones,
    # and the new batch stands for the others.
    old, new = OldAll(), Complement(of=OldAll())
    encore = SelfDistillation(
        generations=self_distillation, epochs=self_epochs, lr=self_lr, temperature=temperature, weight=10.0
    )
    return Strategy(
        task_loss=TaskLoss("new"),
        terms={
            "replay": Rehearse(TaskLoss("seen"), weight=old),
            "among_all": AmongAll(weight=new),
            "kd": Distill(teacher, knowledge, weight=Product(of=scale, by=Sum(of=1.0, by=new))),
            "kd_memory": Distill(
                teacher, knowledge, source="memory", weight=Product(of=copy.deepcopy(scale), by=old)
            ),
        },
        memory=as_memory(memory, "herding"),
        memory_batch=memory_batch,
        phases=[encore] if self_distillation else [],
    )
