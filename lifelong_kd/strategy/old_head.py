"""ABD's two terms: features as the old classifier weighs them, and a classifier that learns on features alone."""

from __future__ import annotations

from typing import Annotated, cast

import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Wants
from lifelong_kd.knowledge.shape import precise
from lifelong_kd.phase.base import Stage
from lifelong_kd.phase.head import head_of
from lifelong_kd.strategy.columns import pick
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.term import Term
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.frozen import FrozenTeacher

__all__ = ["HeadAlone", "OldHead", "old_head_loss"]


def old_head_loss(student: Tensor, teacher: Tensor, head: nn.Module, classes: tuple[int, ...]) -> Tensor:
    """``(1 / o) * sum over old classes c of (head_c(student) - head_c(teacher))^2``.

    With a linear head that is ``mean((W f_student - W f_teacher)^2)``: features may move where the old classifier does
    not look.

    Args:
        student: features, shape (batch, dimensions).
        teacher: features, the same shape; no gradient flows into them.
        head: the old classifier, which does not learn.
        classes: its o columns that are compared.

    Returns:
        One value a sample, shape (batch,).
    """
    difference = pick(head(student), classes) - pick(head(teacher.detach()), classes)
    return difference.square().mean(dim=1)


class OldHead(Term):
    """The squared distance of student's and teacher's features, as the teacher's own head weighs them.

    ``(1 / o) * ||W (f_student - f_teacher)||^2`` with W the rows of the o old classes in the teacher's head (Smith et
    al. 2021, arXiv 2106.09701).

    Args:
        teacher: the previous model.
        source: on what data.
        weight: when and how much: a schedule, a number or a list.

    Raises:
        BadCall: for a teacher that is not one network, and when a task begins, for a task-incremental stream.
    """

    wants = Wants(features=True)

    one_student = True

    def __init__(
        self,
        teacher: Annotated[Teacher, Component("teacher")],
        *,
        source: Source = "new",
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__(source, weight)
        if not isinstance(teacher, FrozenTeacher):
            raise BadCall(f"the old classifier is that of one network, which {type(teacher).__name__} is not")
        self._teacher = teacher

    @property
    def teacher(self) -> Teacher:
        return self._teacher

    def begin_task(self, stage: Stage) -> None:
        _check_one_head(stage)

    def value(self, lesson: Lesson) -> Tensor | None:
        module = self._teacher.module
        if module is None or lesson.batch(self.source) is None:
            return None
        student = lesson.student(self.source).features
        taught = lesson.taught(self._teacher, self.source).features
        if student is None or taught is None:
            raise RuntimeError("features were asked for and not given")
        losses = old_head_loss(student, taught, head_of(module), lesson.task.old)
        return losses.sum() / max(len(losses), 1)


class HeadAlone(Term):
    """Cross-entropy over the classes seen that trains the head and nothing below it; silent in the first task.

    ``CE(head(f), y)`` on features f without their gradient (Smith et al. 2021, arXiv 2106.09701). The class
    of a generated sample is the one that it was made of, or that the previous model finds most likely.

    Args:
        source: on what data: ``new`` or ``generated``.
        weight: when and how much: a schedule, a number or a list.

    Raises:
        BadCall: for data without labels, and when a task begins, for a task-incremental stream.
    """

    wants = Wants(features=True)

    def __init__(
        self, *, source: Source = "new", weight: Annotated[object, Component("schedule")] = 1.0
    ) -> None:
        super().__init__(source, weight)
        if source == "external":
            raise BadCall("a head learns from labelled samples, and those of a pool have no labels")

    def begin_task(self, stage: Stage) -> None:
        _check_one_head(stage)

    def value(self, lesson: Lesson) -> Tensor | None:
        task, batch = lesson.task, lesson.batch(self.source)
        if not task.old or batch is None:
            return None
        features = lesson.student(self.source).features
        if features is None:
            raise RuntimeError("features were asked for and not given")
        logits = precise(cast(Tensor, head_of(lesson.model)(features.detach())))
        outside = [column for column in range(logits.shape[1]) if column not in task.seen]
        if outside:
            logits = logits.index_fill(1, batch.y.new_tensor(outside), -float("inf"))
        return F.cross_entropy(logits, batch.y)


def _check_one_head(stage: Stage) -> None:
    if stage.task.scenario == "task":
        raise BadCall(
            "ABD's classifier is one for all classes, and a task-incremental stream has one a task: it is for"
            " class- and domain-incremental ones"
        )
