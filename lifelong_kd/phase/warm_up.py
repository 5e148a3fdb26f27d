"""The head learns the new classes before the rest of the network moves."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lifelong_kd.core.types import Batch
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.classes import first_met, label_loss
from lifelong_kd.phase.fit import check_training, fit
from lifelong_kd.phase.head import head_of, own_rows

__all__ = ["WarmUp"]


class WarmUp(Phase):
    """Head warm-up: at a task's start the head alone is trained, on the new data, by cross-entropy over new classes.

    Fresh rows that say nothing would otherwise send large gradients into a network that has learned
    something. The backbone is in evaluation mode and has no gradient; the rows of other classes, and what
    all classes of a head share, stay as they were, bit for bit. In a domain-incremental stream, where no
    class is new, nothing is done after the first task.

    Paper: Li & Hoiem 2016, "Learning without Forgetting", arXiv 1606.09282, section 3: warm-up step, then
    joint optimisation; Szatkowski et al. 2024, arXiv 2308.09544, for teacher adaptation.

    Args:
        epochs: passes over the new data, at least 1.
        lr: learning rate, above 0; that of the run if null.
        first_task: whether the first task has a warm-up, too.

    Raises:
        BadCall: if an option is out of range.

    Example:
        >>> WarmUp(epochs=5, lr=0.01).when
        'before'
    """

    when: ClassVar[When] = "before"

    def __init__(self, *, epochs: int, lr: float | None = None, first_task: bool = False) -> None:
        check_training(epochs=epochs, lr=lr)
        self.epochs = epochs
        self.lr = lr
        self.first_task = first_task

    def run(self, stage: Stage) -> None:
        task = stage.task
        if task.index == 0 and not self.first_task:
            return

        def loss(batch: Batch) -> Tensor:
            logits = stage.say(stage.model, batch.x, batch.label).logits
            return label_loss(logits, batch.y, batch.label, task, "new")

        head = head_of(stage.model)
        with own_rows(head, first_met(task), task.old) as parameters:
            if parameters:
                fit(
                    stage,
                    stage.model,
                    loss,
                    name="warm_up",
                    epochs=self.epochs,
                    lr=self.lr,
                    parameters=parameters,
                    only=head,
                )
