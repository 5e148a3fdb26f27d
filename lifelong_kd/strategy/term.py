"""A term: teacher x knowledge x source x schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Said, Wants
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.trainable import Trainable
from lifelong_kd.model.hearing import stage_names
from lifelong_kd.phase.base import Stage
from lifelong_kd.schedule import as_schedule
from lifelong_kd.strategy.columns import Over, groups, padded, pick
from lifelong_kd.strategy.fits import check_fit
from lifelong_kd.strategy.learner import Learner
from lifelong_kd.strategy.lesson import Lesson, Source, View
from lifelong_kd.strategy.target import Target, check_target, hardened, perturbed
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

    one_student: bool = False
    """Whether it keeps of earlier students what only a student of the same architecture can be compared with."""

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

    def begin(self, name: str, seeds: Seeds, device: torch.device) -> None:
        """Told once, before the first task, what the term is called and where random draws come from."""
        if self.learner is not None:
            self.learner.begin(name, seeds, device)

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

    A teacher that abstains from samples teaches nothing there: the mean is over the samples that it knows, as if the
    others were not in the batch, and exactly 0 where it knows none. In a task-incremental stream it may abstain from a
    sample in the head of one task and not in that of another.

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
        target: what a knowledge of logits is fitted to: the teacher's ``soft`` distribution, or its ``hard`` label, the
            most likely of the compared classes.
        target_noise: standard deviation of Gaussian noise that is added to the teacher's logits.
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
        target: Target = "soft",
        target_noise: float = 0.0,
        separate: bool = False,
    ) -> None:
        Term.__init__(self, source, weight)
        check_fit(teacher, knowledge, source, over, view, at)
        check_target(target, target_noise, knowledge)
        self._teacher = teacher
        self.knowledge = knowledge
        self.over: Over = over
        self.view: View = view
        self.at = tuple(at) if at is not None else None
        self.target: Target = target
        self.target_noise = target_noise
        self.separate = separate
        self._noise = Seeds(0).generator("target_noise")
        self.wants = Wants.of(knowledge.needs, self.at)
        if isinstance(knowledge, Trainable):
            self.learner = Learner(knowledge)

    @property
    def teacher(self) -> Teacher:
        return self._teacher

    def begin(self, name: str, seeds: Seeds, device: torch.device) -> None:
        super().begin(name, seeds, device)
        self._noise = seeds.generator(f"target_noise/{name}") if self.target_noise else self._noise

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
        values = [self._mean(student, self._fitted(teacher), said.known) for student, teacher in pairs]
        return sum(values[1:], start=values[0]) if values else None

    def _fitted(self, teacher: Any) -> Any:
        """What the student is to say in the place of what the teacher said."""
        if self.target_noise:
            teacher = perturbed(teacher, self.target_noise, self._noise)
        return hardened(teacher) if self.target == "hard" else teacher

    def _mean(self, student: Any, teacher: Any, known: Tensor | None) -> Tensor:
        if known is not None and "gradients" not in self.knowledge.needs:
            # Chosen beforehand: relations are then between samples that the teacher knows. It may know a sample and say
            # nothing of a group of classes, such as those of another task.
            if isinstance(teacher, Tensor):
                known = known & ~teacher.isnan().any(dim=1)
            student, teacher = (_samples(side, known) for side in (student, teacher))
        if self.learner is not None:
            self.learner.meet(student, teacher)
        try:
            said = self.knowledge(student, teacher)
        except ValueError as error:
            who = type(self.knowledge).__name__, type(self._teacher).__name__
            raise BadCall(f"{who[0]} cannot compare this student with {who[1]}: {error}") from error
        if known is not None and "gradients" in self.knowledge.needs:
            said = said[known]
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


def _samples(said: Any, chosen: Tensor) -> Any:
    """Logits, features or maps of some samples."""
    return said[chosen] if isinstance(said, Tensor) else [value[chosen] for value in said]


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
