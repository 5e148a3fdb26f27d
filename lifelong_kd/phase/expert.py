"""A teacher that has learned the new task alone."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Batch
from lifelong_kd.knowledge.kd import kd_loss
from lifelong_kd.knowledge.options import positive
from lifelong_kd.model.freeze import Frozen, frozen_copy
from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.model.importance import shown
from lifelong_kd.model.network import Network
from lifelong_kd.model.transfer import Transfer, check_transfer, transfer
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.classes import label_loss
from lifelong_kd.phase.fit import check_training, fit
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.expert import Expert

__all__ = ["ExpertPhase"]


class ExpertPhase(Phase):
    """Expert: at a task's start a copy of the student learns the new data alone and becomes the teacher ``expert``.

    It is trained by cross-entropy and free to forget earlier classes. The student is left as it is. Nothing is
    distilled into it unless it is ``taught_by`` another teacher, with which its loss is ``CE(new data) + weight * T^2
    KL(teacher^T || expert^T)`` over the same classes: an assistant between a large teacher and a small student, each of
    which has a ``model`` of its own. With ``transfer`` the student begins the run with a part of its weights; in later
    tasks they would take the place of what the student has learned.

    Papers: Lee et al. 2019, "Overcoming Catastrophic Forgetting with Unlabeled Data in the Wild", arXiv
    1903.12648, the teacher of the current task; Zhang et al. 2020, "Class-incremental Learning via Deep Model
    Consolidation", arXiv 1903.07864; Kim et al. 2023, "Achieving a Better Stability-Plasticity Trade-off via
    Auxiliary Networks in Continual Learning", arXiv 2303.09483. Assistants: Mirzadeh et al. 2020, "Improved Knowledge
    Distillation via Teacher Assistant", arXiv 1902.03393, whose lambda is ``weight / (1 + weight)`` here.

    Args:
        teacher: the teacher ``expert`` that is handed the copy; terms ask the same one.
        start: ``warm`` begins with the student's weights, ``fresh`` with newly drawn ones; ``warm`` if null, or
            ``fresh`` for an expert with a model of its own.
        epochs: passes over the new data, at least 1; as many as the task's own training if null.
        lr: learning rate, above 0; that of the run if null.
        over: ``new``: the task's classes compete; ``all``: every column of the head.
        first_task: whether there is an expert in the first task, where the student learns the same data.
        taught_by: a teacher of the expert itself, such as an expert that an earlier phase has trained; silent as long
            as that has nothing to say.
        weight: of what that teacher says, above 0.
        temperature: T > 0, at which the two are compared.
        transfer: weights of the expert that the student begins the first task with, as in ``model.transfer``:
            ``none``, the first units of each layer (``slice``), those of the largest weights (``norm``), or those that
            matter most (``importance``); the head's too where both have heads of one kind. Needs ``first_task``.

    Raises:
        BadCall: if an option is out of range, the teacher is no ``expert``, or one of another architecture is to begin
            with the student's weights.

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
        start: Literal["warm", "fresh"] | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        over: Literal["new", "all"] = "new",
        first_task: bool = False,
        taught_by: Annotated[object, Component("teacher")] | None = None,
        weight: float = 1.0,
        temperature: float = 2.0,
        transfer: Transfer = "none",
    ) -> None:
        if not isinstance(teacher, Expert):
            raise BadCall(f"the phase 'expert' trains a teacher 'expert', not {type(teacher).__name__}")
        if start not in (None, "warm", "fresh"):
            raise BadCall(f"start is 'warm' or 'fresh', not {start!r}")
        if start == "warm" and teacher.model is not None:
            raise BadCall(
                "an expert with a model of its own cannot begin with the student's weights: leave out start='warm'"
            )
        if over not in ("new", "all"):
            raise BadCall(f"an expert learns over 'new' or 'all' classes, not {over!r}")
        if taught_by is not None and (taught_by is teacher or not isinstance(taught_by, Teacher)):
            raise BadCall(f"an expert is taught by another teacher, not by {type(taught_by).__name__}")
        if isinstance(taught_by, Teacher) and not {"logits"} <= taught_by.offers - taught_by.needs_fields:
            raise BadCall(f"{type(taught_by).__name__} has no logits for samples that it has not met")
        check_training(epochs=epochs, lr=lr)
        check_transfer(transfer)
        if transfer != "none" and not first_task:
            raise BadCall("transfer hands the expert's weights on in the first task: set first_task to true")
        self.teacher = teacher
        self.start = start or ("warm" if teacher.model is None else "fresh")
        self.epochs = epochs
        self.lr = lr
        self.over: Literal["new", "all"] = over
        self.first_task = first_task
        self.taught_by = taught_by if isinstance(taught_by, Teacher) else None
        self.weight = positive("weight", weight)
        self.temperature = positive("temperature", temperature)
        self.transfer: Transfer = transfer

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return (self.teacher,) if self.taught_by is None else (self.teacher, self.taught_by)

    def run(self, stage: Stage) -> None:
        task = stage.task
        if task.index == 0 and not self.first_task:
            return
        name = _name(stage)
        expert = self._begun(stage, name)
        # What is frozen in the student is not what the expert has to keep.
        expert.train().requires_grad_(True)

        def loss(batch: Batch) -> Tensor:
            logits = stage.say(expert, batch.x, batch.label).logits
            value = label_loss(logits, batch.y, batch.label, task, self.over)
            taught = self._taught(stage, batch, logits)
            return value if taught is None else value + self.weight * taught

        fit(stage, expert, loss, name=name, epochs=self.epochs, lr=self.lr)
        self.teacher.keep(expert, task.index)
        if task.index == 0 and self.transfer != "none":
            self._hand_on(expert, stage)

    def _begun(self, stage: Stage, name: str) -> nn.Module:
        if self.start == "warm":
            return _thawed(frozen_copy(stage.model))
        with stage.seeds.default(f"phase/{name}/{stage.task.index}"):
            if self.teacher.model is None:
                return fresh_copy(stage.model)
            one = stage.data.plain(stage.data.raw(torch.zeros(1, dtype=torch.int64)))
            return self.teacher.build(stage.model, one.shape[1:], stage.task).to(stage.device)

    def _hand_on(self, expert: nn.Module, stage: Stage) -> None:
        if not isinstance(expert, Network) or not isinstance(stage.model, Network):
            raise BadCall(
                "transfer hands an expert's weights on between networks of lifelong_kd; the student is"
                f" {type(stage.model).__name__}"
            )
        x = shown(stage.data) if self.transfer == "importance" else None
        transfer(expert, stage.model, units=self.transfer, x=x)

    def _taught(self, stage: Stage, batch: Batch, logits: Tensor) -> Tensor | None:
        """How far the expert is from its own teacher, where that has something to say."""
        if self.taught_by is None or not self.taught_by.ready:
            return None
        said = self.taught_by.teach(batch)
        width, known = min(logits.shape[1], said.logits.shape[1]), self.taught_by.columns
        wanted = stage.task.new if self.over == "new" else tuple(range(width))
        classes = [
            column for column in sorted(wanted) if column < width and (known is None or column in known)
        ]
        if not classes:
            return None
        values = kd_loss(logits[:, classes], said.logits[:, classes], self.temperature)
        if said.known is not None:
            values = values[said.known]
        return values.sum() / max(len(values), 1)


def _name(stage: Stage) -> str:
    """What the phase is called in the log and where it draws from; further experts of a task are numbered."""
    earlier = sum(note.startswith("expert") and note.endswith("/loss") for note in stage.notes)
    return f"expert{earlier + 1}" if earlier else "expert"


def _thawed(network: nn.Module) -> nn.Module:
    """A frozen copy, which has none of the hooks that others put on the network, as one that can be trained."""
    kind: Any = type(network)
    network.__class__ = next(base for base in kind.__bases__ if base is not Frozen)
    return network
