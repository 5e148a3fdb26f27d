"""A term: teacher x knowledge x source x schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import get_args

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.schedule import as_schedule
from lifelong_kd.strategy.columns import Over, groups, pick
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.teacher.base import Teacher

__all__ = ["Distill", "Rehearse", "Term"]


class Term(ABC):
    """One summand of a strategy's loss, with its own weight; a weight of 0 is as good as no term."""

    def __init__(self, source: Source, weight: object) -> None:
        self.source: Source = source
        self.weight = as_schedule(weight)

    @property
    def teacher(self) -> Teacher | None:
        """Who teaches, if anybody does."""
        return None

    @abstractmethod
    def value(self, lesson: Lesson) -> Tensor | None:
        """The unweighted loss, a scalar, mean over the samples; ``None`` where there is nothing to compare."""


class Distill(Term):
    """The mean over the batch of what a knowledge says of student and teacher.

    Args:
        teacher: who teaches.
        knowledge: what is transferred.
        source: on what data.
        weight: when and how much: a schedule, a number or a list.
        over: which classes are compared; several groups are added up.
    """

    def __init__(
        self,
        teacher: Teacher,
        knowledge: Knowledge,
        *,
        source: Source = "new",
        weight: object = 1.0,
        over: Over = "old",
    ) -> None:
        Term.__init__(self, source, weight)
        missing = knowledge.needs - teacher.offers
        if missing:
            raise BadCall(
                f"{type(knowledge).__name__} needs {sorted(missing)}, which {type(teacher).__name__} does not offer;"
                f" it offers {sorted(teacher.offers)}"
            )
        if "logits" in teacher.needs_fields and not knowledge.skips_unknown:
            raise BadCall(
                f"{type(knowledge).__name__} needs every column, but logits stored earlier lack those of later classes;"
                " use a knowledge that leaves them out, such as mse"
            )
        if source not in teacher.sources:
            raise BadCall(
                f"{type(teacher).__name__} cannot teach on {source!r}; it can on {sorted(teacher.sources)}"
            )
        if over not in get_args(Over):
            raise BadCall(f"a term compares classes {', '.join(map(repr, get_args(Over)))}; not {over!r}")
        self._teacher = teacher
        self.knowledge = knowledge
        self.over: Over = over

    @property
    def teacher(self) -> Teacher:
        return self._teacher

    def value(self, lesson: Lesson) -> Tensor | None:
        if not self._teacher.ready:
            return None
        if lesson.batch(self.source) is None:
            return None
        said = lesson.taught(self._teacher, self.source)
        pairs = self._heads(lesson, said) if isinstance(said, dict) else self._columns(lesson, said)
        # The empty sum of an empty batch is an exact 0 that still back-propagates; its mean would be NaN.
        values = [self.knowledge(student, teacher).sum() / max(len(student), 1) for student, teacher in pairs]
        return sum(values[1:], start=values[0]) if values else None

    def _columns(self, lesson: Lesson, teacher: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Student and teacher at the columns of each group of classes."""
        student = lesson.student(self.source)
        # A head that has grown since has columns of which the teacher knows nothing.
        width = min(student.shape[1], teacher.shape[1])
        chosen = [
            tuple(column for column in classes if column < width)
            for classes in groups(lesson.task, self.over, width)
        ]
        return [(pick(student, classes), pick(teacher, classes)) for classes in chosen if classes]

    def _heads(self, lesson: Lesson, teacher: dict[int, Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Student and teacher at the classes of each earlier task's own head."""
        student = lesson.heads(self.source)
        task = lesson.task
        earlier = {label: tuple(sorted(task.by_label[label])) for label in teacher if label != task.label}
        return [
            (pick(student[label], classes), pick(teacher[label], classes))
            for label, classes in earlier.items()
        ]


class Rehearse(Term):
    """The task loss on a memory batch: experience replay.

    Args:
        task_loss: the loss of labelled samples.
        source: ``memory`` or ``memory2``.
        weight: when and how much: a schedule, a number or a list.
    """

    def __init__(self, task_loss: TaskLoss, *, source: Source = "memory", weight: object = 1.0) -> None:
        Term.__init__(self, source, weight)
        if source not in ("memory", "memory2"):
            raise BadCall(
                f"rehearsal works on 'memory' or 'memory2', not {source!r}; the new batch has the task loss"
            )
        self.task_loss = task_loss

    def value(self, lesson: Lesson) -> Tensor | None:
        batch = lesson.batch(self.source)
        if batch is None:
            return None
        logits = lesson.student(self.source)
        return self.task_loss(logits, batch.y, batch.label, lesson.task, rehearsed=True)
