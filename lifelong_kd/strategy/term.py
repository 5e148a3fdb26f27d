"""A term: teacher x knowledge x source x schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import LOGITS, Said, Wants
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.knowledge.trainable import Trainable
from lifelong_kd.model.hearing import stage_names
from lifelong_kd.phase.base import Stage
from lifelong_kd.schedule import as_schedule
from lifelong_kd.strategy.columns import Over, groups, padded, pick
from lifelong_kd.strategy.learner import Learner
from lifelong_kd.strategy.lesson import Lesson, Source, View
from lifelong_kd.strategy.task_loss import Competing, TaskLoss
from lifelong_kd.teacher.base import Teacher

__all__ = ["Distill", "Rehearse", "Term"]


class Term(ABC):
    """One summand of a strategy's loss, with its own weight; a weight of 0 is as good as no term.

    A subclass writes ``value`` and, where it has to, what happens around the steps.
    """

    wants: Wants = LOGITS
    """What the student is asked besides its logits."""

    separate: bool = False
    """Whether the optimiser makes a step of its own for this term, after the one for the sum of the others."""

    learner: Learner | None = None
    """Parameters that learn beside the student, such as a projector's."""

    def __init__(self, source: Source, weight: object) -> None:
        if source not in get_args(Source):
            raise BadCall(f"a term works on {', '.join(map(repr, get_args(Source)))}; not on {source!r}")
        self.source: Source = source
        self.weight = as_schedule(weight)

    @property
    def teacher(self) -> Teacher | None:
        """Who teaches, if anybody does."""
        return None

    @abstractmethod
    def value(self, lesson: Lesson) -> Tensor | None:
        """The unweighted loss, a scalar, mean over the samples; ``None`` where there is nothing to compare."""

    def begin_task(self, stage: Stage) -> None:
        """Told when a task begins, before its first step."""

    def after_step(self, lesson: Lesson) -> None:
        """Told after the optimiser's step."""

    def end_task(self, stage: Stage) -> None:
        """Told at the end of a task, when the memory has chosen and before the teachers look at the student."""

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


class Distill(Term):
    """The mean over the batch of what a knowledge says of student and teacher.

    Args:
        teacher: who teaches.
        knowledge: what is transferred.
        source: on what data.
        weight: when and how much: a schedule, a number or a list.
        over: which classes are compared, of a knowledge of logits; several groups are added up. ``padded`` compares all
            classes seen, the teacher's probabilities being zero for the new ones.
        view: whether student and teacher see the ``same`` augmented samples, the ``raw`` ones, or ``both``, the mean of
            the two losses.
        at: the modules whose outputs are compared, of a knowledge of maps; the stages of the network if ``None``.
        separate: make an optimiser step for this term alone, after the one for the others.
    """

    def __init__(
        self,
        teacher: Annotated[Teacher, Component("teacher")],
        knowledge: Annotated[Knowledge, Component("knowledge")],
        *,
        source: Source = "new",
        weight: Annotated[object, Component("schedule")] = 1.0,
        over: Over = "old",
        view: View = "same",
        at: Sequence[str] | None = None,
        separate: bool = False,
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
        if over == "padded" and isinstance(knowledge, Mse | L1):
            raise BadCall(
                f"over='padded' gives new classes probability 0, that is a logit of minus infinity, from which"
                f" {type(knowledge).__name__} is infinitely far; use a knowledge of probabilities, such as kd"
            )
        if view not in get_args(View):
            raise BadCall(f"a term sees the view {', '.join(map(repr, get_args(View)))}; not {view!r}")
        if view != "same" and teacher.needs_fields:
            raise BadCall(
                f"{type(teacher).__name__} kept what was said about the augmented view: use view 'same'"
            )
        if at is not None and "maps" not in knowledge.needs:
            raise BadCall(f"{type(knowledge).__name__} compares no modules' outputs: leave out 'at'")
        self._teacher = teacher
        self.knowledge = knowledge
        self.over: Over = over
        self.view: View = view
        self.at = tuple(at) if at is not None else None
        self.separate = separate
        self.wants = Wants.of(knowledge.needs, self.at)
        if isinstance(knowledge, Trainable):
            self.learner = Learner(knowledge)

    @property
    def teacher(self) -> Teacher:
        return self._teacher

    def value(self, lesson: Lesson) -> Tensor | None:
        if not self._teacher.ready or lesson.batch(self.source) is None:
            return None
        views: tuple[View, ...] = ("same", "raw") if self.view == "both" else (self.view,)
        values = [value for view in views if (value := self._compared(lesson, view)) is not None]
        return sum(values[1:], start=values[0]) / len(values) if values else None

    def _compared(self, lesson: Lesson, view: View) -> Tensor | None:
        said = lesson.taught(self._teacher, self.source, view)
        needs = self.knowledge.needs
        if said.heads is not None:
            pairs: list[tuple[Any, Any]] = [*self._heads(lesson, said.heads)]
        elif "gradients" in needs:
            pairs = self._whole(lesson, lesson.student(self.source, view), said)
        elif "maps" in needs:
            maps = [self._maps(lesson, heard) for heard in (lesson.student(self.source, view), said)]
            pairs = [([*maps[0].values()], [*maps[1].values()])]
        elif "features" in needs:
            pairs = [(lesson.student(self.source, view).features, said.features)]
        else:
            pairs = [*self._columns(lesson, lesson.student(self.source, view).logits, said.logits)]
        # The empty sum of an empty batch is an exact 0 that still back-propagates; its mean would be NaN.
        values = [self._mean(student, teacher) for student, teacher in pairs]
        return sum(values[1:], start=values[0]) if values else None

    def _mean(self, student: Any, teacher: Any) -> Tensor:
        if self.learner is not None:
            self.learner.meet(student, teacher)
        try:
            said = self.knowledge(student, teacher)
        except ValueError as error:
            who = type(self.knowledge).__name__, type(self._teacher).__name__
            raise BadCall(f"{who[0]} cannot compare this student with {who[1]}: {error}") from error
        return said.sum() / max(len(said), 1)

    def _maps(self, lesson: Lesson, said: Said) -> dict[str, Tensor]:
        """The compared maps, in order; a teacher of another architecture has other names for its own."""
        names = self.at if self.at is not None else stage_names(lesson.model)
        if all(name in said.maps for name in names):
            return {name: said.maps[name] for name in names}
        return dict(said.maps)

    def _whole(self, lesson: Lesson, student: Said, teacher: Said) -> list[tuple[Said, Said]]:
        maps = self._maps(lesson, student), self._maps(lesson, teacher)
        return [
            (Said(mine, student.features, maps[0]), Said(theirs, teacher.features, maps[1]))
            for mine, theirs in self._columns(lesson, student.logits, teacher.logits)
        ]

    def _columns(self, lesson: Lesson, student: Tensor, teacher: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Student and teacher at the columns of each group of classes."""
        task = lesson.task
        # A head that has grown since has columns of which the teacher knows nothing.
        width, known = min(student.shape[1], teacher.shape[1]), self._teacher.columns

        def taught(classes: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(
                column for column in classes if column < width and (known is None or column in known)
            )

        if self.over == "padded" and task.scenario != "task":
            old = taught(task.old)
            return [(pick(student, task.seen), padded(teacher, old, task.seen))] if old else []
        over: Over = "old" if self.over == "padded" else self.over
        chosen = [taught(classes) for classes in groups(task, over, width)]
        return [(pick(student, classes), pick(teacher, classes)) for classes in chosen if classes]

    def _heads(self, lesson: Lesson, teacher: Mapping[int, Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Student and teacher at the classes of each earlier task's own head."""
        student = lesson.heads(self.source)
        task = lesson.task
        earlier = {label: tuple(sorted(task.by_label[label])) for label in teacher if label != task.label}
        return [
            (pick(student[label], classes), pick(teacher[label], classes))
            for label, classes in earlier.items()
        ]

    def state_dict(self) -> dict[str, Any]:
        learner = self.learner.state_dict() if self.learner is not None else None
        return {"knowledge": self.knowledge.state_dict(), "learner": learner}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.knowledge.load_state_dict(state["knowledge"])
        if self.learner is not None and state["learner"] is not None:
            self.learner.load_state_dict(state["learner"])


class Rehearse(Term):
    """The task loss on a memory batch, or on a generated one: replay.

    Args:
        task_loss: the loss of labelled samples; ``compose`` gives its own to a term that has none.
        source: ``memory``; ``memory2``, a second and independent draw; or ``generated``, with the class that the
            generator was asked for, else the one that the previous model finds most likely.
        weight: when and how much: a schedule, a number or a list.
        over: which classes compete, for a term that has no task loss of its own yet; as in that of ``compose`` if null.
    """

    def __init__(
        self,
        task_loss: TaskLoss | None = None,
        *,
        source: Source = "memory",
        weight: Annotated[object, Component("schedule")] = 1.0,
        over: Competing | None = None,
    ) -> None:
        Term.__init__(self, source, weight)
        if source not in ("memory", "memory2", "generated"):
            raise BadCall(
                f"rehearsal works on 'memory', 'memory2' or 'generated', not {source!r}; the new batch has the task"
                " loss"
            )
        if task_loss is not None and over is not None:
            raise BadCall("a task loss says itself over which classes it is taken: leave out 'over'")
        self.task_loss = task_loss
        self.over = over

    def value(self, lesson: Lesson) -> Tensor | None:
        batch = lesson.batch(self.source)
        if batch is None:
            return None
        if self.task_loss is None:
            raise BadCall("rehearsal needs a task loss: Rehearse(TaskLoss(...))")
        logits = lesson.student(self.source).logits
        return self.task_loss(logits, batch.y, batch.label, lesson.task, rehearsed=True)
