"""Fine-tuning on the same number of samples of every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.knowledge.kd import kd_loss
from lifelong_kd.knowledge.options import not_negative, positive
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.classes import groups, label_loss
from lifelong_kd.phase.fit import check_training, fit
from lifelong_kd.phase.head import head_of

__all__ = ["BalancedFineTuning"]


class BalancedFineTuning(Phase):
    """Balanced fine-tuning: after a task the student goes on with the memory alone, which holds new exemplars as well.

    ``L = CE over the classes seen + weight * sum over tasks k of KD_T(student_k, before_k)``, mean over the
    samples, with ``before`` a frozen copy of the student as the phase finds it and ``_k`` the columns of task
    k's classes, the newest task included. The second sum is there only with a ``temperature``.

    Papers: Castro et al. 2018, "End-to-End Incremental Learning", arXiv 1807.09536, section 4 (from lr 0.01,
    with a temporary distillation that covers the newest classes); Douillard et al. 2020, PODNet, arXiv
    2004.13513: the head only, 20 epochs at lr 0.05 in its code.

    Args:
        epochs: passes over the memory, at least 1.
        lr: learning rate, above 0; that of the run if null.
        milestones: epochs after which the learning rate is multiplied by ``factor``.
        factor: above 0 and at most 1.
        train: ``all`` of the network, or its ``head``, the rest being in evaluation mode.
        loss: ``ce``: cross-entropy over the classes seen; ``task``: the strategy's own task loss, which must
            be able to score samples of earlier tasks.
        temperature: T > 0 of the distillation from the student before the phase; none if null. KD_T has the
            factor T^2.
        weight: of that distillation, at least 0; 1 / T^2 for a paper that leaves the factor out.
        first_task: whether it is done after the first task, too, whose classes are balanced already.

    Raises:
        BadCall: if an option is out of range, or there is no memory that chooses at the end of a task.

    Example:
        >>> BalancedFineTuning(epochs=30, lr=0.01, milestones=[10, 20], temperature=2.0, weight=0.25).when
        'balanced'
    """

    when: ClassVar[When] = "balanced"

    def __init__(
        self,
        *,
        epochs: int,
        lr: float | None = None,
        milestones: Sequence[int] = (),
        factor: float = 0.1,
        train: Literal["all", "head"] = "all",
        loss: Literal["ce", "task"] = "ce",
        temperature: float | None = None,
        weight: float = 1.0,
        first_task: bool = False,
    ) -> None:
        check_training(epochs=epochs, lr=lr, milestones=milestones, factor=factor)
        if train not in ("all", "head"):
            raise BadCall(f"balanced fine-tuning trains 'all' or the 'head', not {train!r}")
        if loss not in ("ce", "task"):
            raise BadCall(f"the loss of balanced fine-tuning is 'ce' or 'task', not {loss!r}")
        self.epochs = epochs
        self.lr = lr
        self.milestones = tuple(milestones)
        self.factor = factor
        self.train = train
        self.loss = loss
        self.temperature = None if temperature is None else positive("temperature", temperature)
        self.weight = not_negative("weight", weight)
        self.first_task = first_task

    def prepare(self, stage: Stage) -> None:
        if stage.memory is None or stage.memory.chooses != "task":
            raise BadCall(
                "balanced fine-tuning needs a memory that chooses exemplars at the end of a task, such as 'herding'"
            )

    def run(self, stage: Stage) -> None:
        task, model, temperature = stage.task, stage.model, self.temperature
        if task.index == 0 and not self.first_task:
            return
        before = frozen_copy(model) if temperature is not None and self.weight else None

        def loss(batch: Batch) -> Tensor:
            said = stage.say(model, batch.x, batch.label).logits
            if self.loss == "task":
                value = stage.loss(said, batch.y, batch.label)
            else:
                value = label_loss(said, batch.y, batch.label, task, "seen")
            if before is None or temperature is None:
                return value
            taught = stage.say(before, batch.x, batch.label).logits
            pairs = ((said[:, list(group)], taught[:, list(group)]) for group in groups(task))
            return value + self.weight * sum(kd_loss(*pair, temperature).mean() for pair in pairs)

        fit(
            stage,
            model,
            loss,
            name="balanced_fine_tuning",
            samples="memory",
            epochs=self.epochs,
            lr=self.lr,
            milestones=self.milestones,
            factor=self.factor,
            only=head_of(model) if self.train == "head" else None,
        )
