"""The head learns all classes on features that no longer move, generated samples standing for the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Batch, Moment, Task
from lifelong_kd.knowledge.l1 import l1_loss
from lifelong_kd.knowledge.options import not_negative
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.fit import check_training, fit
from lifelong_kd.phase.head import head_of
from lifelong_kd.schedule import as_schedule
from lifelong_kd.teacher.base import Teacher

__all__ = ["HeadFineTuning", "balanced_ce"]


def balanced_ce(logits: Tensor, y: Tensor, task: Task, made: int) -> Tensor:
    """Cross-entropy over the classes seen, each sample by how many classes share its part of the batch.

    ``sum_i w_i CE_i / sum_i w_i`` with ``w = o / made`` for each of the generated samples, of the o old classes, and
    ``n / others`` for the others, of the n new ones: every class counts alike, however many samples either has.

    Args:
        logits: shape (batch, columns).
        y: classes, int64, shape (batch,).
        task: the current task.
        made: how many samples at the end of the batch are generated ones.
    """
    seen = _member(task.seen, logits)
    weight = logits.new_full((len(y),), len(task.new) / max(len(y) - made, 1))
    weight[len(y) - made :] = len(task.old) / max(made, 1)
    losses = F.cross_entropy(logits.masked_fill(~seen, -torch.inf), y, reduction="none")
    return (weight * losses).sum() / weight.sum()


def _member(classes: tuple[int, ...], logits: Tensor) -> Tensor:
    mask = torch.zeros(logits.shape[1], dtype=torch.bool)
    mask[list(classes)] = True
    return mask.to(logits.device)


class HeadFineTuning(Phase):
    """Fine-tuning of the head: after a task, from the second on, on the new data and generated samples.

    ``L = weight * balanced CE(new and generated) + distill * mean |z_student - z_teacher|`` over the old classes of the
    generated samples; everything below the head is in evaluation mode and stays.

    Paper: Gao et al. 2022, R-DFCIL, arXiv 2203.13104: 40 epochs at lr 0.005 with weight 0.5, and the distillation of
    its main training goes on; its class weights are by counted samples.

    Args:
        teacher: the previous model.
        epochs: passes over the new data, at least 1.
        lr: learning rate, above 0; that of the run if null.
        milestones: epochs after which the learning rate is multiplied by ``factor``.
        factor: above 0 and at most 1.
        weight: of the cross-entropy, at least 0.
        distill: weight of the distillation: a number, one a task, or a schedule.

    Raises:
        BadCall: if an option is out of range, and when a task begins, for a task-incremental stream; when it runs, for
            a strategy without a generator.
    """

    when: ClassVar[When] = "after"

    def __init__(
        self,
        *,
        teacher: Annotated[Teacher, Component("teacher")],
        epochs: int = 40,
        lr: float | None = 0.005,
        milestones: Sequence[int] = (),
        factor: float = 0.1,
        weight: float = 0.5,
        distill: Annotated[object, Component("schedule")] = 0.0,
    ) -> None:
        check_training(epochs=epochs, lr=lr, milestones=milestones, factor=factor)
        self.teacher = teacher
        self.epochs = epochs
        self.lr = lr
        self.milestones = tuple(milestones)
        self.factor = factor
        self.weight = not_negative("weight", weight)
        self.distill = as_schedule(distill)

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return (self.teacher,)

    def prepare(self, stage: Stage) -> None:
        if stage.task.scenario == "task":
            raise BadCall(
                "fine-tuning of the head weighs the classes of one head against each other, and a task-incremental"
                " stream has one head a task: it is for class- and domain-incremental ones"
            )

    def run(self, stage: Stage) -> None:
        task, model = stage.task, stage.model
        if not task.old or not self.teacher.ready:
            return
        distill = self.distill(Moment(task=task.index, old=len(task.old), new=len(task.new)))

        def loss(batch: Batch) -> Tensor:
            made = stage.draw("generated", len(batch))
            if made is None:
                raise BadCall(
                    "fine-tuning of the head needs generated samples: the strategy has no generator that makes any"
                )
            fresh = stage.say(model, batch.x, batch.label).logits
            replayed = stage.say(model, made.x, made.label, at=made.at).logits
            logits, y = torch.cat([fresh, replayed]), torch.cat([batch.y, made.y])
            value = self.weight * balanced_ce(logits, y, task, len(made))
            if distill:
                old = list(task.old)
                taught = self.teacher.teach(made).logits
                value = value + distill * l1_loss(replayed[:, old], taught[:, old]).mean()
            return value

        fit(
            stage,
            model,
            loss,
            name="head_fine_tuning",
            epochs=self.epochs,
            lr=self.lr,
            milestones=self.milestones,
            factor=self.factor,
            only=head_of(model),
        )
