"""What a trained student knows is distilled into a fresh one."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.knowledge.kd import kd_loss
from lifelong_kd.knowledge.options import positive
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.classes import groups
from lifelong_kd.phase.fit import Samples, check_training, fit
from lifelong_kd.phase.fresh import begin_anew

__all__ = ["Consolidation", "effective_weights"]


def effective_weights(counts: Tensor, balance: float) -> Tensor:
    """Weights of classes of ``counts`` samples by their effective number, with mean 1.

    ``w_c ~ (1 - beta) / (1 - beta^n_c)`` (Cui et al. 2019, arXiv 1901.05555, equation 2); a class without
    samples counts as one with a single sample, and with ``beta = 0`` all weights are 1.

    Args:
        counts: samples of each class, shape (classes,).
        balance: beta in [0, 1).

    >>> effective_weights(torch.tensor([1, 1000]), 0.5)
    tensor([1.3333, 0.6667])
    """
    weights = (1 - balance) / (1 - balance ** counts.clamp(min=1).double())
    return (weights / weights.mean()).float()


class Consolidation(Phase):
    """Consolidation: the trained student becomes a frozen teacher and is distilled into a student that begins anew.

    ``L = T^2 KL(q || softmax(student / T))`` with ``q_c ~ w_c softmax(teacher / T)_c`` over the classes seen,
    mean over the
    samples: balanced distillation, in which rare classes weigh more, ``w_c ~ (1 - beta) / (1 - beta^n_c)``
        for ``n_c``
    samples of class c among new data and memory. In a task-incremental stream each task's classes have a
    softmax of their own, and the values are added up. The student stays the same object with the same
    parameters.

    Paper: Wang et al. 2022, "FOSTER: Feature Boosting and Compression for Class-Incremental Learning", arXiv
    2204.04662, the feature compression, with T = 2 and beta = 0.97 in its code, which has no factor T^2 (a
    learning rate there is T^2 times the one here) and keeps an old backbone's weights (``warm``).

    Args:
        epochs: passes over the samples, at least 1; as many as the task's own training if null.
        lr: learning rate, above 0; that of the run if null.
        temperature: T > 0.
        start: ``fresh`` draws the student's weights anew, ``warm`` lets it keep them.
        balance: beta in [0, 1); with 0 all classes weigh the same.
        samples: ``new_and_memory``, ``new``, ``memory``, or ``external``: the strategy's pool of unlabelled
            samples.
        first_task: whether it is done after the first task, too.

    Raises:
        BadCall: if an option is out of range, or there is no memory to train on.

    Example:
        >>> Consolidation(epochs=130, start="warm").when
        'after'
    """

    when: ClassVar[When] = "after"

    def __init__(
        self,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        temperature: float = 2.0,
        start: Literal["fresh", "warm"] = "fresh",
        balance: float = 0.97,
        samples: Samples = "new_and_memory",
        first_task: bool = False,
    ) -> None:
        check_training(epochs=epochs, lr=lr)
        if start not in ("fresh", "warm"):
            raise BadCall(f"start is 'fresh' or 'warm', not {start!r}")
        if not 0 <= balance < 1:
            raise BadCall(f"balance must lie in [0, 1), got {balance}")
        if samples not in get_args(Samples):
            raise BadCall(f"a phase trains on {', '.join(map(repr, get_args(Samples)))}; not on {samples!r}")
        self.epochs = epochs
        self.lr = lr
        self.temperature = positive("temperature", temperature)
        self.start = start
        self.balance = balance
        self.samples: Samples = samples
        self.first_task = first_task

    def prepare(self, stage: Stage) -> None:
        # Before the first task ends no memory has chosen anything.
        empty = stage.memory is None or (self.first_task and stage.memory.chooses == "task")
        if self.samples == "memory" and empty:
            raise BadCall(
                "consolidation on samples='memory' needs a memory, which in the first task is filled as samples pass by"
            )

    def run(self, stage: Stage) -> None:
        task, model = stage.task, stage.model
        if task.index == 0 and not self.first_task:
            return
        teacher = frozen_copy(model)
        compared = groups(task) if task.scenario == "task" else [task.seen]
        counts = _counts(stage)
        logs = [
            effective_weights(counts[list(group)], self.balance).log().to(stage.device) for group in compared
        ]
        if self.start == "fresh":
            begin_anew(stage, model, "phase/consolidation")

        def loss(batch: Batch) -> Tensor:
            said = stage.say(model, batch.x, batch.label).logits
            taught = stage.say(teacher, batch.x, batch.label).logits.detach()
            values = [
                # Weights on softened probabilities are summands of the logits.
                kd_loss(
                    said[:, list(group)], taught[:, list(group)] + self.temperature * log, self.temperature
                )
                for group, log in zip(compared, logs, strict=True)
            ]
            return torch.stack(values).sum(dim=0).mean()

        fit(
            stage,
            model,
            loss,
            name="consolidation",
            samples=self.samples,
            epochs=self.epochs,
            lr=self.lr,
        )


def _counts(stage: Stage) -> Tensor:
    """Samples of every class up to the largest, among new data and memory."""
    y = stage.data.targets
    if stage.memory is not None and len(stage.memory):
        y = torch.cat([y, stage.memory.take(torch.arange(len(stage.memory)))["y"].cpu()])
    return torch.bincount(y, minlength=max(stage.task.seen) + 1)
