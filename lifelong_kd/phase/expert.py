"""A teacher that has learned the new task alone."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Batch
from lifelong_kd.model.freeze import Frozen, frozen_copy
from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.classes import label_loss
from lifelong_kd.phase.fit import check_training, fit
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.expert import Expert

__all__ = ["ExpertPhase"]


class ExpertPhase(Phase):
    """Expert: at a task's start a copy of the student learns the new data alone and becomes the teacher ``expert``.

    It is trained by cross-entropy, without any distillation, and free to forget earlier classes. The student
    is left as it is.

    Papers: Lee et al. 2019, "Overcoming Catastrophic Forgetting with Unlabeled Data in the Wild", arXiv
    1903.12648, the teacher of the current task; Zhang et al. 2020, "Class-incremental Learning via Deep Model
    Consolidation", arXiv 1903.07864; Kim et al. 2023, "Achieving a Better Stability-Plasticity Trade-off via
    Auxiliary Networks in Continual Learning", arXiv 2303.09483.

    Args:
        teacher: the teacher ``expert`` that is handed the copy; terms ask the same one.
        start: ``warm`` begins with the student's weights, ``fresh`` with newly drawn ones.
        epochs: passes over the new data, at least 1; as many as the task's own training if null.
        lr: learning rate, above 0; that of the run if null.
        over: ``new``: the task's classes compete; ``all``: every column of the head.
        first_task: whether there is an expert in the first task, where the student learns the same data.

    Raises:
        BadCall: if an option is out of range, or the teacher is no ``expert``.

    Example:
        >>> phase = ExpertPhase(Expert(), start="fresh", epochs=10)
        >>> phase.teachers[0].ready
        False
    """

    when: ClassVar[When] = "before"

    def __init__(
        self,
        teacher: Annotated[object, Component("teacher")],
        *,
        start: Literal["warm", "fresh"] = "warm",
        epochs: int | None = None,
        lr: float | None = None,
        over: Literal["new", "all"] = "new",
        first_task: bool = False,
    ) -> None:
        if not isinstance(teacher, Expert):
            raise BadCall(f"the phase 'expert' trains a teacher 'expert', not {type(teacher).__name__}")
        if start not in ("warm", "fresh"):
            raise BadCall(f"start is 'warm' or 'fresh', not {start!r}")
        if over not in ("new", "all"):
            raise BadCall(f"an expert learns over 'new' or 'all' classes, not {over!r}")
        check_training(epochs=epochs, lr=lr)
        self.teacher = teacher
        self.start = start
        self.epochs = epochs
        self.lr = lr
        self.over: Literal["new", "all"] = over
        self.first_task = first_task

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return (self.teacher,)

    def run(self, stage: Stage) -> None:
        task = stage.task
        if task.index == 0 and not self.first_task:
            return
        if self.start == "warm":
            expert = _thawed(frozen_copy(stage.model))
        else:
            with stage.seeds.default(f"phase/expert/{task.index}"):
                expert = fresh_copy(stage.model)
        # What is frozen in the student is not what the expert has to keep.
        expert.train().requires_grad_(True)

        def loss(batch: Batch) -> Tensor:
            logits = stage.say(expert, batch.x, batch.label).logits
            return label_loss(logits, batch.y, batch.label, task, self.over)

        fit(stage, expert, loss, name="expert", epochs=self.epochs, lr=self.lr)
        self.teacher.keep(expert, task.index)


def _thawed(network: nn.Module) -> nn.Module:
    """A frozen copy, which has none of the hooks that others put on the network, as one that can be trained."""
    kind: Any = type(network)
    network.__class__ = next(base for base in kind.__bases__ if base is not Frozen)
    return network
