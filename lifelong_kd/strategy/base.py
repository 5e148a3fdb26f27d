"""A strategy: a task loss, a list of terms, a memory, phases and corrections, in one object.

The training loop calls, in this order::

    begin(forward, seeds, device)
    for each task:
        hold_out(data)                               # samples kept from training, for a correction to be fitted on
        begin_task(stage, resumed=...)               # phases "before"
        for each batch:
            loss = task loss of the new batch, through the loop
            loss = strategy.loss(loss, lesson)       # + weighted terms
            ... backward, optimiser step ...
            for loss in strategy.separate(lesson): ... a step of its own ...
            strategy.after_step(lesson)              # a reservoir takes samples, a generator makes its own step
        strategy.end_task(stage)                     # phases, memory, corrections; teachers take their snapshots
    strategy.predict(...)                            # in every evaluation
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Moment, Said, Task, TaskData, Wants
from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.generator.base import Generator
from lifelong_kd.memory.base import Memory
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.schedule import as_schedule
from lifelong_kd.strategy.check import TrainingSet, check_parts
from lifelong_kd.strategy.draws import Draws
from lifelong_kd.strategy.held import Held
from lifelong_kd.strategy.knobs import Knobs
from lifelong_kd.strategy.learner import Learner
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.noise import GradientNoise
from lifelong_kd.strategy.roster import roster, wanted
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Term
from lifelong_kd.strategy.total import Part, Total
from lifelong_kd.stream.pool import Pool
from lifelong_kd.teacher.base import Forward, Rebuild, Teacher
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["Strategy", "TrainingSet"]


class Strategy:
    """A published method, or one of your own: slots filled with parts that each have one home.

    Args:
        task_loss: the loss of the new batch, and over which classes.
        terms: further summands by name, in the order in which they are added.
        task_weight: weight of the task loss on the new batch.
        memory: what is kept of earlier tasks.
        memory_batch: samples drawn from memory a step; as many as the new batch if ``None``.
        train_on: what a task is trained on.
        phases: what a task consists of beside its main training, each kind in this order.
        corrections: what is fitted when a task has been learned and changes what is predicted, in this order.
        pool: unlabelled samples, from elsewhere or left out of the labelled ones, for terms on the source ``external``.
        pool_batch: samples drawn from the pool a step; as many as the new batch if ``None``.
        generator: makes samples of earlier tasks, for terms on the source ``generated``; it learns beside the student.
        generator_batch: samples that it makes a step; as many as the new batch if ``None``.
        held: share of the exemplars, and as many of the new samples a class, kept out of training for a correction.
        noise: noise added to the gradients.

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
        phases: Sequence[Phase] = (),
        corrections: Sequence[Correction] = (),
        pool: Pool | None = None,
        pool_batch: int | None = None,
        generator: Generator | None = None,
        generator_batch: int | None = None,
        held: float = 0.0,
        noise: GradientNoise | None = None,
    ) -> None:
        self.task_loss = task_loss or TaskLoss()
        self.terms = dict(terms or {})
        self.knobs = Knobs(self.terms)
        self.task_weight = as_schedule(task_weight)
        self.draws = Draws(
            memory=memory,
            memory_batch=memory_batch,
            pool=pool,
            pool_batch=pool_batch,
            generator=generator,
            generator_batch=generator_batch,
        )
        self.train_on = train_on
        self.phases = list(phases)
        self.corrections = list(corrections)
        self.held = Held(held)
        self.noise = noise
        self.called: dict[str, Teacher] = {}  # teachers by the names that a configuration gave them
        self._solver = Snapshot()
        self._stage: Stage | None = None
        self._learning = False
        self._followers: dict[str, Teacher] = {}
        self._seeds = Seeds(0)
        self._device = torch.device("cpu")
        self._prepare()

    def _prepare(self) -> None:
        """What follows from the terms."""
        self._total = Total(self.terms, self.knobs)
        self._wants, self._asked = wanted(self.terms)
        check_parts(self)
        if self.memory is not None:
            fields = {field for teacher in self.teachers.values() for field in teacher.needs_fields}
            self.memory.keep_logits |= "logits" in fields

    def add(self, name: str, term: Term) -> None:
        """Add a term before the run begins.

        Raises:
            BadCall: if there is one of that name, or it does not fit the other parts.
        """
        if name in self.terms:
            raise BadCall(f"the strategy has a term {name!r} already")
        self.terms[name] = term
        self._prepare()

    def check_stream(self, tasks: Sequence[Sequence[int]], columns: Sequence[str] = ()) -> None:
        """Refuse a stream that the strategy would fail on half-way, such as one with more tasks than weights.

        Args:
            tasks: the classes of each task, as far as they are known beforehand.
            columns: what the class of each column is called.

        Raises:
            BadCall: saying what does not fit.
        """
        for teacher in self.teachers.values():
            teacher.check_columns(columns)
        seen: set[int] = set()
        for index, classes in enumerate(tasks):
            moment = Moment(task=index, old=len(seen), new=len(classes), batch=1)
            for weight in (self.task_weight, *(term.weight for term in self.terms.values())):
                weight(moment)
            seen |= set(classes)
        if self.memory is not None:
            again = Counter(column for classes in tasks for column in set(classes))
            self.memory.check(len(seen), tasks=len(tasks), again=max(again.values(), default=1))

    @property
    def memory(self) -> Memory | None:
        """What is kept of earlier tasks."""
        return self.draws.memory

    @property
    def pool(self) -> Pool | None:
        """Unlabelled samples from elsewhere."""
        return self.draws.pool

    @property
    def generator(self) -> Generator | None:
        """What makes samples of earlier tasks."""
        return self.draws.generator

    @property
    def teachers(self) -> dict[str, Teacher]:
        """The teachers by the name of the first term, phase or correction that uses them, each once.

        The members of an ensemble come before it, as ``name/0``, ``name/1`` and so on.
        """
        found = roster(self.terms, [*self.phases, *self.corrections])
        if self.generator is not None and all(self.solver is not teacher for teacher in found.values()):
            # A term of that name may have another teacher.
            found["solver" if "solver" not in found else "generator/solver"] = self.solver
        return found

    @property
    def nbytes(self) -> int:
        """Bytes kept between two tasks to remember earlier ones by: of memory, generator, a teacher's samples."""
        parts = (self.memory, self.generator, *self.teachers.values())
        return sum(part.nbytes for part in parts if part is not None)

    @property
    def solver(self) -> Snapshot:
        """The previous model that a generator works with: the snapshot that a term asks, or one of its own."""
        asked = (term.teacher for term in self.terms.values())
        return next((teacher for teacher in asked if type(teacher) is Snapshot), self._solver)

    @property
    def learners(self) -> list[Learner]:
        """Whatever learns beside the student."""
        return self._total.learners

    @property
    def parts(self) -> dict[str, Part]:
        """What the task loss and each term came to in the last step, for the log."""
        return self._total.parts

    @property
    def stage(self) -> Stage:
        """The task that is being learned, with everything a phase may touch."""
        if self._stage is None:
            raise RuntimeError("no task has begun")
        return self._stage

    @property
    def task(self) -> Task:
        """The task that is being learned."""
        return self.stage.task

    @property
    def data(self) -> TaskData:
        """The training data of the task that is being learned."""
        return self.stage.data

    def asked(self, teacher: Teacher) -> Wants:
        """What ``teacher`` is asked besides its logits."""
        return self._asked.get(id(teacher), Wants())

    # ---- the life of a run ------------------------------------------------------------------------------------

    def begin(self, forward: Forward, seeds: Seeds, device: torch.device) -> None:
        """Told once, before the first task."""
        self._seeds = seeds
        self._device = device
        self.draws.begin(seeds, device)
        teachers = self.teachers
        for teacher in teachers.values():
            teacher.begin(forward, device)
        # Most teachers do not look at the student after a step, and a step is short.
        self._followers = {
            name: teacher
            for name, teacher in teachers.items()
            if type(teacher).after_step is not Teacher.after_step
        }
        for correction in self.corrections:
            correction.begin(device)
        for name, term in self.terms.items():
            term.begin(name, seeds, device)

    def begin_task(self, stage: Stage, *, resumed: bool = False) -> None:
        """Told when the data of a task are there and the head has grown, before the first step.

        Args:
            stage: the task.
            resumed: whether a state saved inside this task takes the place of what its phases would do.
        """
        self._stage = stage
        self._learning = True
        stage.held = self.held.samples
        stage.draw = self._draw
        for teacher in self.teachers.values():
            teacher.begin_task(stage.task)
            teacher.study(stage.task, stage.data, self._seeds)
        self.draws.begin_task(stage, self.solver, resumed=resumed)
        for correction in self.corrections:
            correction.begin_task(stage)
        for term in self.terms.values():
            term.begin_task(stage)
        for phase in self.phases:
            phase.prepare(stage)
        if not resumed:
            self._run("before")

    def _run(self, when: When) -> None:
        for phase in self.phases:
            if phase.when == when:
                phase.run(self.stage)

    # ---- the life of a step -----------------------------------------------------------------------------------

    def lesson(
        self,
        new: Batch,
        said: Said | None,
        forward: Callable[[Batch, Wants], Said],
        heads: Callable[[Batch], dict[int, Tensor]],
        *,
        progress: float = 0.0,
    ) -> Lesson:
        """The current step as the terms see it; ``progress`` is the share of the task's steps that are done."""
        task = self.task
        moment = Moment(
            task=task.index,
            old=len(task.old),
            new=len(task.new),
            batch=len(new),
            replayed=self.draws.replayed(len(new)),
            progress=progress,
        )

        def draw(source: Source) -> Batch | None:
            # What a generated sample is taken for is what most terms on generated samples ask about.
            def ask(batch: Batch) -> Said:
                return lesson.taught_of(self.solver, source, batch)

            return self._draw(source, len(new), ask)

        lesson = Lesson(
            task=task,
            moment=moment,
            new=new,
            said=said,
            draw=draw,
            plain=self._plain,
            forward=lambda batch, wants: self._corrected(forward(batch, wants)),
            heads=heads,
            model=self.stage.model,
            wants=self._wants,
            asked=self._asked,
        )
        return lesson

    def sources(self, lesson: Lesson) -> list[Source]:
        """The draws that this step's terms will ask the student about, each once, in the order of the terms."""
        return self._total.sources(lesson)

    def _draw(self, source: str, batch: int, ask: Callable[[Batch], Said] | None = None) -> Batch | None:
        return self.draws.draw(source, batch, self.task, self.data, self.solver, ask)

    def _plain(self, batch: Batch) -> Batch:
        """The same samples without augmentation; inside the network there was none."""
        if batch.at is not None:
            return batch
        return Batch(
            self.data.plain(batch.raw), batch.y, batch.label, batch.raw, None, batch.fields, row=batch.row
        )

    def loss(self, task_loss: Tensor, lesson: Lesson) -> Tensor:
        """The task loss of the new batch and every term, weighted and added up; ``parts`` keeps each for the log."""
        return self._total.of(task_loss, self.task_weight(lesson.moment), lesson)

    def separate(self, lesson: Lesson) -> Iterator[Tensor]:
        """The weighted losses of the terms that have an optimiser step of their own, each computed when asked for."""
        return self._total.separate(lesson)

    def before_step(self, model: nn.Module) -> None:
        """Told after the backward pass: noise is added to the gradients."""
        if self.noise is not None:
            self.noise.add(model, self._seeds.generator("gradient_noise"))

    def after_step(self, lesson: Lesson) -> None:
        """Told after the optimiser's step."""
        self._total.stepped(lesson)
        for correction in self.corrections:
            correction.after_step(lesson.model)
        for name, teacher in self._followers.items():
            teacher.after_step(lesson.model, self._seeds.generator(f"teacher/{name}"))
        self.draws.after_step(lesson)
        memory, batch = self.memory, lesson.batch("new")
        if memory is not None and memory.chooses == "step" and batch is not None:
            memory.observe(
                batch, _known(lesson.student("new").logits.detach()), self._seeds.generator("memory")
            )

    # ---- the end of a task ------------------------------------------------------------------------------------

    def end_task(self, stage: Stage) -> None:
        """Told when a task has been learned: phases, memory, corrections, and the teachers look at the student."""
        self._stage = stage
        stage.held = self.held.samples
        stage.draw = self._draw
        self._run("after")
        if self.memory is not None and self.memory.chooses == "task":

            def described(raw: Tensor) -> tuple[Tensor, Tensor]:
                logits, features = stage.describe(raw)
                return _known(logits), features

            self.memory.consolidate(stage.task, stage.data, described, self._seeds.generator("memory"))
        self._run("balanced")
        self._learning = False
        for correction in self.corrections:
            correction.fit(stage)
        for term in self.terms.values():
            term.end_task(stage)
        self.draws.end_task(stage)
        for teacher in self.teachers.values():
            teacher.observe(stage.model, stage.task)

    def leave_task(self) -> None:
        """Told instead of :meth:`end_task` when a task is broken off; what was saved at its end takes its place."""
        self._learning = False

    def hold_out(self, data: TaskData, task: Task, *, resumed: bool = False) -> tuple[Tensor, Tensor | None]:
        """Which samples a task is trained on: positions in its new data, and rows of the memory.

        Args:
            data: the task's training data.
            task: the task.
            resumed: whether what a saved state held out is held out again.
        """
        return self.held.split(data, task, self.memory, self._seeds, resumed=resumed)

    # ---- evaluation -------------------------------------------------------------------------------------------

    def corrected(self, logits: Tensor) -> Tensor:
        """Logits as those corrections leave them that act in training, too."""
        for correction in self.corrections:
            if correction.in_training:
                logits = correction.rectify(logits)
        return logits

    def _corrected(self, said: Said) -> Said:
        said.logits = self.corrected(said.logits)
        return said

    def predict(self, logits: Tensor, asked: Asked) -> Tensor:
        """Scores of shape (batch, columns), the largest of which is the prediction."""
        for correction in self.corrections:
            # Inside a task a correction is that of the student before it, and knows nothing of the task's classes.
            if correction.in_training or (correction.ready and not self._learning):
                logits = correction.scores(logits, asked)
        return logits

    # ---- what is kept -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that has to survive a restart."""
        parts = {name: part.state_dict() if part is not None else None for name, part in self._kept().items()}
        return {
            **parts,
            "teachers": {name: teacher.state_dict() for name, teacher in self.teachers.items()},
            "terms": {name: term.state_dict() for name, term in self.terms.items()},
            "corrections": [correction.state_dict() for correction in self.corrections],
            "notes": dict(self.stage.notes) if self._learning else {},
        }

    def _kept(self) -> dict[str, Any]:
        """The parts of which there is one at most, whose state is their own business alone."""
        return {
            "generator": self.generator,
            "memory": self.memory,
            "balance": self._total.balance,
            "held": self.held,
            "noise": self.noise,
        }

    def load_training_set(self, state: Mapping[str, Any]) -> None:
        """Take back what decides on which samples the current task is trained; the rest when it has begun."""
        if self.memory is not None:
            self.memory.load_state_dict(state["memory"], self._device)
        self.held.load_state_dict(state["held"])

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        """Take back what :meth:`state_dict` gave; ``rebuild`` makes networks of an earlier task's structure."""
        for name, teacher in self.teachers.items():
            teacher.load_state_dict(state["teachers"][name], rebuild)
        for name, term in self.terms.items():
            term.load_state_dict(state["terms"][name])
        for correction, saved in zip(self.corrections, state["corrections"], strict=True):
            correction.load_state_dict(saved, rebuild)
        for name, part in self._kept().items():
            if part is not None:
                part.load_state_dict(state[name], *([self._device] if name == "memory" else []))
        if self._learning:
            # What the phases before the task said, which are not run again.
            self.stage.notes.update(state.get("notes", {}))


def _known(logits: Tensor) -> Tensor:
    """Logits as a memory keeps them: NaN in columns that no head of a multi-head network has yet."""
    return logits.masked_fill(logits == ABSENT, torch.nan)
