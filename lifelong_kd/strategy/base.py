"""A strategy: a task loss, a list of terms, a memory and a rule of inference, in one object.

The training loop calls, in this order::

    begin(forward, seeds, device)
    for each task:
        begin_task(task, data)
        for each batch:
            loss = task loss of the new batch, through the loop
            loss = strategy.loss(loss, lesson)       # + weighted terms
            ... backward, optimiser step ...
            strategy.after_step(lesson)              # a reservoir takes samples
        strategy.end_task(model, describe)           # memory chooses, teachers take their snapshots
    strategy.predict(...)                            # in every evaluation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Moment, Task, TaskData
from lifelong_kd.memory.base import Describe, Memory
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.schedule import as_schedule
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.nearest_mean import NearestMean
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Term
from lifelong_kd.teacher.base import Forward, Rebuild, Teacher

__all__ = ["Part", "Strategy", "TrainingSet"]

TrainingSet = Literal["new", "new_and_memory", "everything"]
"""What a task is trained on: its own data, those and the exemplars in one shuffled set, or all data so far."""


@dataclass(frozen=True)
class Part:
    """A term's contribution to one step: ``raw`` unweighted and without gradient, and its ``weight``."""

    raw: Tensor
    weight: float


class Strategy:
    """A published method, or one of your own: slots filled with parts that each have one home.

    Args:
        task_loss: the loss of the new batch, and over which classes.
        terms: further summands by name, in the order in which they are added.
        task_weight: weight of the task loss on the new batch.
        memory: what is kept of earlier tasks.
        memory_batch: samples drawn from memory a step; as many as the new batch if ``None``.
        train_on: what a task is trained on.
        classifier: rule of inference; the largest logit if ``None``.

    Raises:
        BadCall: if the parts do not fit one another.
    """

    def __init__(
        self,
        *,
        task_loss: TaskLoss | None = None,
        terms: Mapping[str, Term] | None = None,
        task_weight: object = 1.0,
        memory: Memory | None = None,
        memory_batch: int | None = None,
        train_on: TrainingSet = "new",
        classifier: NearestMean | None = None,
    ) -> None:
        self.task_loss = task_loss or TaskLoss()
        self.terms = dict(terms or {})
        self.task_weight = as_schedule(task_weight)
        self.memory = memory
        self.memory_batch = memory_batch
        self.train_on = train_on
        self.classifier = classifier
        self.parts: dict[str, Part] = {}
        self._task: Task | None = None
        self._data: TaskData | None = None
        self._learning = False
        self._seeds = Seeds(0)
        self._device = torch.device("cpu")
        self._check()

    def _check(self) -> None:
        if self.memory_batch is not None and self.memory_batch < 1:
            raise BadCall(f"memory_batch must be at least 1, got {self.memory_batch}")
        for name, term in self.terms.items():
            if term.source != "new" and self.memory is None:
                raise BadCall(f"term {name!r} works on {term.source!r}, but the strategy has no memory")
            if self.memory is not None and term.teacher is not None:
                self.memory.keep_logits |= "logits" in term.teacher.needs_fields
        if self.train_on not in get_args(TrainingSet):
            raise BadCall(
                f"a task is trained on {', '.join(map(repr, get_args(TrainingSet)))}; not on {self.train_on!r}"
            )
        if self.train_on == "new_and_memory":
            if self.memory is None:
                raise BadCall("train_on='new_and_memory' needs a memory")
            if self.memory.chooses == "step":
                raise BadCall(
                    "a memory that takes samples as they pass by would take its own exemplars again from a training set"
                    " that they have joined; use 'herding' or 'balanced'"
                )
            if self.task_loss.over == "new" and self.task_loss.kind == "ce":
                raise BadCall(
                    "cross-entropy over 'new' classes cannot score exemplars of old classes; use 'seen' or 'all'"
                )
        if self.classifier is not None and self.memory is None:
            raise BadCall("the nearest-mean classifier needs a memory of exemplars")

    def check_stream(self, tasks: Sequence[Sequence[int]]) -> None:
        """Refuse a stream that the strategy would fail on half-way, such as one with more tasks than weights.

        Args:
            tasks: the classes of each task, as far as they are known beforehand.

        Raises:
            BadCall: saying what does not fit.
        """
        seen: set[int] = set()
        for index, classes in enumerate(tasks):
            moment = Moment(task=index, old=len(seen), new=len(classes), batch=1)
            for weight in (self.task_weight, *(term.weight for term in self.terms.values())):
                weight(moment)
            seen |= set(classes)
        if self.memory is not None and self.memory.chooses == "task":
            self.memory.check(len(seen))

    @property
    def teachers(self) -> dict[str, Teacher]:
        """The teachers by the name of the first term that uses them, each once."""
        found: dict[str, Teacher] = {}
        for name, term in self.terms.items():
            if term.teacher is not None and all(term.teacher is not known for known in found.values()):
                found[name] = term.teacher
        return found

    @property
    def task(self) -> Task:
        """The task that is being learned."""
        if self._task is None:
            raise RuntimeError("no task has begun")
        return self._task

    @property
    def data(self) -> TaskData:
        """The training data of the task that is being learned."""
        if self._data is None:
            raise RuntimeError("no task has begun")
        return self._data

    def begin(self, forward: Forward, seeds: Seeds, device: torch.device) -> None:
        """Told once, before the first task."""
        self._seeds = seeds
        self._device = device
        for teacher in self.teachers.values():
            teacher.begin(forward, device)

    def begin_task(self, task: Task, data: TaskData) -> None:
        """Told when the data of a task are there and the head has grown, before the first step."""
        self._task = task
        self._data = data
        self._learning = True

    def lesson(
        self,
        new: Batch,
        logits: Tensor | None,
        forward: Callable[[Batch], Tensor],
        heads: Callable[[Batch], dict[int, Tensor]],
    ) -> Lesson:
        """The current step as the terms see it."""
        task = self.task
        moment = Moment(
            task=task.index,
            old=len(task.old),
            new=len(task.new),
            batch=len(new),
            replayed=min(self._draw_size(len(new)), len(self.memory)) if self.memory is not None else 0,
        )
        return Lesson(
            task=task,
            moment=moment,
            new=new,
            logits=logits,
            draw=lambda source: self._draw(source, len(new)),
            forward=forward,
            heads=heads,
        )

    def sources(self, lesson: Lesson) -> list[Source]:
        """The memory draws that this step's terms will ask the student about, each once, in the order of the terms."""
        wanted = (
            term.source
            for term in self.terms.values()
            if term.source != "new" and (term.teacher is None or term.teacher.ready)
            if term.weight(lesson.moment) != 0.0
        )
        return [source for source in dict.fromkeys(wanted) if lesson.batch(source) is not None]

    def _draw_size(self, batch: int) -> int:
        return self.memory_batch if self.memory_batch is not None else batch

    def _draw(self, source: Source, batch: int) -> Batch | None:
        """A batch from memory in a training view of its own; each source has its own generators."""
        if self.memory is None or len(self.memory) == 0:
            return None
        samples = self.memory.draw(self._draw_size(batch), self._seeds.generator(f"draw/{source}"))
        raw = samples["raw"].to(self._device)
        return Batch(
            x=self.data.augmented(raw, self._seeds.generator(f"augment/{source}")),
            y=samples["y"].to(self._device),
            label=samples["label"].to(self._device),
            raw=raw,
            fields={name: field.to(self._device) for name, field in samples.items() if name == "logits"},
        )

    def loss(self, task_loss: Tensor, lesson: Lesson) -> Tensor:
        """The task loss of the new batch and every term, weighted and added up; ``parts`` keeps each for the log."""
        weight = self.task_weight(lesson.moment)
        self.parts = {"task": Part(task_loss.detach(), weight)}
        total = task_loss if weight == 1.0 else task_loss * weight
        for name, term in self.terms.items():
            weight = term.weight(lesson.moment)
            if weight == 0.0:
                continue
            value = term.value(lesson)
            if value is None:
                continue
            self.parts[name] = Part(value.detach(), weight)
            total = total + (value if weight == 1.0 else weight * value)
        return total

    def after_step(self, lesson: Lesson) -> None:
        """Told after the optimiser's step."""
        memory = self.memory
        if memory is None or memory.chooses != "step":
            return
        batch = lesson.batch("new")
        if batch is not None:
            memory.observe(batch, _known(lesson.student("new").detach()), self._seeds.generator("memory"))

    def end_task(self, model: nn.Module, describe: Describe) -> None:
        """Told when a task has been learned: the memory chooses, the teachers look at the student."""
        self._learning = False
        if self.memory is not None and self.memory.chooses == "task":

            def described(raw: Tensor) -> tuple[Tensor, Tensor]:
                logits, features = describe(raw)
                return _known(logits), features

            self.memory.consolidate(self.task, self.data, described, self._seeds.generator("memory"))
        if self.classifier is not None and self.memory is not None:
            self.classifier.update(self.memory, describe)
        for teacher in self.teachers.values():
            teacher.observe(model, self.task)

    def predict(self, logits: Tensor, features: Callable[[], Tensor]) -> Tensor:
        """Scores of shape (batch, columns), the largest of which is the prediction."""
        # Inside a task the means are those of the student before it, and its classes have none yet.
        if self.classifier is None or not self.classifier.ready or self._learning:
            return logits
        return self.classifier.scores(features(), logits.shape[1])

    def state_dict(self) -> dict[str, Any]:
        """Everything that has to survive a restart: teachers, memory, classifier."""
        return {
            "teachers": {name: teacher.state_dict() for name, teacher in self.teachers.items()},
            "memory": self.memory.state_dict() if self.memory is not None else None,
            "classifier": self.classifier.state_dict() if self.classifier is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        """Take back what :meth:`state_dict` gave; ``rebuild`` makes networks of an earlier task's structure."""
        for name, teacher in self.teachers.items():
            teacher.load_state_dict(state["teachers"][name], rebuild)
        if self.memory is not None:
            self.memory.load_state_dict(state["memory"], self._device)
        if self.classifier is not None:
            self.classifier.load_state_dict(state["classifier"], self._device)


def _known(logits: Tensor) -> Tensor:
    """Logits as a memory keeps them: NaN in columns that no head of a multi-head network has yet."""
    return logits.masked_fill(logits == ABSENT, torch.nan)
