"""A strategy as an ordinary Avalanche plugin: the one place that reads and changes a template's step."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, cast

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Scenario, Task, TaskData
from lifelong_kd.correction.base import Asked
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy import registry as strategies
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.total import Part
from lifelong_kd.stream.dataset import task_aware, tensor_dataset
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.training.adapter import Adapter, Template, grow_head
from lifelong_kd.training.succession import Succession
from lifelong_kd.training.task_data import ForeignData

__all__ = ["DistillationPlugin", "plugin"]


class DistillationPlugin(SupervisedPlugin):
    """Runs a strategy inside any Avalanche ``SupervisedTemplate``.

    Args:
        strategy: what is run.
        scenario: how the stream is read; by default a stream with task labels is task-incremental, any other
            class-incremental.
        seeds: where the memory's draws come from.
    """

    def __init__(
        self, strategy: Strategy, *, scenario: Scenario | None = None, seeds: Seeds | None = None
    ) -> None:
        SupervisedPlugin.__init__(self)
        self.strategy = strategy
        self.scenario = scenario
        self.seeds = seeds or Seeds(0)
        self.tasks: list[Task] = []
        self.succession: Succession | None = None
        self._adapter: Adapter | None = None
        self._lesson: Lesson | None = None
        self._joined: list[Source] = []
        self._criterion: Any = None
        self._earlier: list[Any] = []
        self._rows: Tensor | None = None
        self._learning = False

    @property
    def teacher(self) -> Teacher:
        """The strategy's only teacher.

        Raises:
            BadCall: if it has none, or several.
        """
        teachers = self.strategy.teachers
        if len(teachers) != 1:
            raise BadCall(
                f"the strategy has {len(teachers)} teachers ({', '.join(teachers)}); ask .strategy.teachers"
            )
        return next(iter(teachers.values()))

    @property
    def parts(self) -> dict[str, Part]:
        """What each term contributed to the last step."""
        return self.strategy.parts

    # ---- the life of a run ------------------------------------------------------------------------------------

    def before_training(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        self.attach(strategy)
        if not isinstance(strategy._criterion, _TaskCriterion):
            self._criterion = strategy._criterion
            strategy._criterion = _TaskCriterion(self, strategy)

    def after_training(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        strategy._criterion = self._criterion

    def attach(self, template: Template) -> None:
        """Meet the template; a plugin serves one for life."""
        if self._adapter is None:
            self._adapter = Adapter(template)
            self.strategy.begin(self._adapter.forward, self.seeds, template.device)
        elif self._adapter.template is not template:
            raise BadCall(
                "a plugin holds the teacher and memory of one strategy: make a new one for another template"
            )

    @property
    def adapter(self) -> Adapter:
        """How the template's model is called."""
        if self._adapter is None:
            raise RuntimeError("the plugin has not met its template")
        return self._adapter

    # ---- the life of a task -----------------------------------------------------------------------------------

    def next_task(self, experience: Any) -> Task:
        """The task that ``experience`` is, after those before it."""
        labels = sorted({int(label) for label in getattr(experience, "task_labels", (0,))})
        if len(labels) != 1:
            raise BadCall(f"an experience is one task with one label; this one has the labels {labels}")
        label = labels[0]
        classes = tuple(sorted(int(column) for column in experience.classes_in_this_experience))
        by_label = dict(self.tasks[-1].by_label) if self.tasks else {}
        by_label[label] = tuple(sorted({*by_label.get(label, ()), *classes}))
        return Task(
            index=len(self.tasks),
            scenario=self.scenario or self._guess(experience, label),
            new=classes,
            history=tuple(task.new for task in self.tasks),
            by_label=by_label,
            label=label,
        )

    def _guess(self, experience: Any, label: int) -> Scenario:
        stream = getattr(experience, "origin_stream", None) or [experience]
        labelled = label != 0 or any(
            int(other) != 0 for sibling in stream for other in set(getattr(sibling, "task_labels", ()))
        )
        return "task" if labelled or self.adapter.multitask else "class"

    def before_train_dataset_adaptation(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        self.enter(strategy, strategy.experience, resumed=_resumed_inside(strategy))
        strategy.model.to(strategy.device)

    def enter(self, template: Template, experience: Any, *, resumed: bool = False) -> None:
        """Begin a task: note its classes and let the head grow, before the optimiser is told of its parameters.

        Args:
            template: whose model is the student; another one may take its place.
            experience: the task.
            resumed: whether saved weights are about to take the place of those that the student begins with.
        """
        task = self.next_task(experience)
        self.tasks.append(task)
        self._earlier.append(experience)
        if self.succession is not None:
            samples = None if resumed else (lambda: _task_data(template))
            self.succession.enter(template, self.strategy, self.tasks, samples)
        grow_head(template.model, task.new, task.label, self.seeds, task.index)

    def after_train_dataset_adaptation(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        strategy.adapted_dataset = self._training_set(strategy)

    def _training_set(self, template: Template) -> Any:
        new = template.adapted_dataset
        mine, rows = self.strategy.hold_out(
            _task_data(template), self.tasks[-1], resumed=_resumed_inside(template)
        )
        own = len(mine)
        if own < len(new):
            new = new.subset(mine.tolist())
        if self.strategy.train_on == "everything":
            for experience in self._earlier[:-1]:
                new = new.concat(experience.dataset.train())
        memory = self.strategy.memory
        if self.strategy.train_on == "new_and_memory" and memory is not None and rows is not None:
            samples = memory.take(rows)
            raw, pipeline = samples["raw"], getattr(template, "pipeline", None)
            if getattr(getattr(template, "options", None), "workers", 0):
                # Worker processes cannot reach into a GPU's memory.
                raw = raw.cpu()
            new = task_aware(new, self.tasks[-1].label)
            new = new.concat(tensor_dataset(raw, samples["y"], samples["label"], pipeline).train())
        self._rows = torch.cat([mine.cpu(), torch.full((len(new) - own,), -1)])
        return new

    def _row(self, index: Tensor | None) -> Tensor | None:
        """Which rows of the task's own data stand at these positions of what it is trained on."""
        if index is None or self._rows is None:
            return None
        self._rows = self._rows.to(index.device)
        return self._rows[index]

    def before_training_exp(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        self.adapter.watch()
        memory = self.strategy.memory
        if self.adapter.multitask and memory is not None and memory.chooses == "task":
            raise BadCall(
                "a memory that chooses exemplars by their features needs a model without task labels; give a network of"
                " lifelong_kd with the head 'multihead', or another memory"
            )
        stage = self._stage(strategy, _task_data(strategy))
        self.strategy.begin_task(stage, resumed=_resumed_inside(strategy))
        self._learning = True

    def again(self) -> None:
        """Begin the current task once more; the state that it had when it began is put back by the caller."""
        self.strategy.begin_task(self._stage(self.adapter.template, self.strategy.data), resumed=True)
        self._learning = True

    def end(self) -> None:
        """End the current task: phases, memory, corrections and teachers look at the student."""
        self._lesson = None
        stage = self._stage(self.adapter.template, self.strategy.data)
        stage.notes.update(self.strategy.stage.notes)
        self.strategy.end_task(stage)
        self._learning = False

    def leave(self) -> None:
        """Break the current task off; a state that was saved at its beginning or its end is put back by the caller."""
        self._lesson = None
        self.strategy.leave_task()
        self._learning = False

    def after_training_exp(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        # A loop of rounds has ended the task itself.
        if self._learning:
            self.end()

    def _stage(self, template: Template, data: TaskData) -> Stage:
        """The current task, as phases see it."""
        task = self.tasks[-1]
        epochs = getattr(template, "epochs_of_task", None)

        def loss(logits: Tensor, y: Tensor, label: Tensor) -> Tensor:
            return self.strategy.task_loss(self.strategy.corrected(logits), y, label, task)

        return Stage(
            task=task,
            data=data,
            model=unwrapped(template.model),
            memory=self.strategy.memory,
            say=self.adapter.say,
            describe=lambda raw: self.adapter.describe(data.plain(raw.to(template.device))),
            loss=loss,
            seeds=self.seeds,
            device=template.device,
            batch_size=template.train_mb_size,
            epochs=template.train_epochs if epochs is None else epochs(),
            optimizer=lambda parameters, lr=None: _like(template.optimizer, parameters, lr),
        )

    # ---- the life of a step -----------------------------------------------------------------------------------

    def before_forward(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        raw, index = getattr(strategy, "mb_raw", None), getattr(strategy, "mb_index", None)
        batch = Batch(
            x=strategy.mb_x,
            y=strategy.mb_y,
            label=strategy.mbatch[-1] if len(strategy.mbatch) > 2 else torch.zeros_like(strategy.mb_y),
            raw=strategy.mb_x if raw is None else raw,
            index=index,
            row=self._row(index),
        )
        lesson = self.strategy.lesson(
            batch, None, self.adapter.student, self.adapter.heads, progress=_progress(strategy)
        )
        self._lesson = lesson
        joined = self.strategy.sources(lesson) if self.adapter.separable else []
        # A part of a joined map is not the tensor that the logits come from: nothing is differentiated by it.
        apart = any(lesson.wants(source).gradients for source in ("new", *joined))
        self._joined = [] if apart else joined
        wants = lesson.wants("new")
        if self._joined:
            # No layer mixes samples, so one pass says the same as several, in fewer and larger products.
            batches = [lesson.batch(source) for source in self._joined]
            strategy.mbatch[0] = torch.cat([batch.x, *(drawn.x for drawn in batches if drawn is not None)])
            for source in self._joined:
                wants |= lesson.wants(source)
        self.adapter.listen(wants)

    def after_forward(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        lesson = self._lesson
        if lesson is None:
            raise RuntimeError("the template has not called before_forward")
        said = self.adapter.heard(self.strategy.corrected(strategy.mb_output))
        if self._joined:
            batches = [lesson.batch(source) for source in ("new", *self._joined)]
            strategy.mbatch[0] = batches[0].x if batches[0] is not None else None
            parts = said.split([len(drawn) for drawn in batches if drawn is not None])
            said = parts[0]
            for source, part in zip(self._joined, parts[1:], strict=True):
                lesson.hear(source, part)
        strategy.mb_output = said.logits
        lesson.hear("new", said)

    def before_backward(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        if self._lesson is not None:
            strategy.loss = self.strategy.loss(strategy.loss, self._lesson)

    def before_update(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        self.strategy.before_step(strategy.model)

    def after_update(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        if self._lesson is not None:
            self.adapter.forget()
            for loss in self.strategy.separate(self._lesson):
                strategy.optimizer.zero_grad()
                loss.backward()
                strategy.optimizer_step()
                self.adapter.forget()

    def after_training_iteration(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        if self._lesson is not None:
            self.strategy.after_step(self._lesson)
            self._lesson = None

    def after_eval_forward(self, strategy: Template, *args: Any, **kwargs: Any) -> None:
        batch = strategy.mbatch
        label = batch[-1] if len(batch) > 2 else torch.zeros_like(strategy.mb_y)
        strategy.mb_output = self.predict(strategy.mb_output, strategy.mb_x, label)

    def predict(self, logits: Tensor, x: Tensor, label: Tensor) -> Tensor:
        """Scores (batch, columns) of samples ``x`` with task ``label``, the largest of which is the prediction.

        Args:
            logits: what the student says about ``x``.
            x: the samples, as the student sees them.
            label: their task labels.
        """
        if not self.tasks or not self.strategy.corrections:
            return logits
        asked = Asked(
            x=x,
            label=label,
            task=self.tasks[-1],
            features=lambda: self.adapter.describe(x)[1],
            answer=lambda module: self.adapter.answer(module, x, label),
        )
        return self.strategy.predict(logits, asked)


def _task_data(template: Any) -> TaskData:
    """The data of the current experience."""
    own = getattr(template, "task_data", None)
    data: TaskData = own() if own is not None else ForeignData(template.experience.dataset, template.device)
    return data


def _resumed_inside(template: Any) -> bool:
    """Whether a state that was saved inside this task is about to be put back."""
    return bool(getattr(template, "inside", False))


def _progress(template: Any) -> float:
    """The share of the task's steps that are done."""
    own = getattr(template, "steps_of_task", None)
    total = own() if own is not None else template.train_epochs * len(template.dataloader)
    return min(int(template.clock.train_exp_iterations) / max(int(total), 1), 1.0)


def _like(
    optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], lr: float | None
) -> torch.optim.Optimizer:
    """An optimiser of the same kind and settings."""
    kind: Any = type(optimizer)
    taken = _taken(kind)
    options = {key: value for key, value in optimizer.defaults.items() if key in taken}
    made: torch.optim.Optimizer = kind(parameters, **{**options, **({} if lr is None else {"lr": lr})})
    return made


def _taken(kind: type) -> set[str]:
    """The options that an optimiser takes, of the defaults that torch records for all."""
    names: set[str] = set()
    for base in kind.__mro__:
        found = inspect.signature(base).parameters
        names |= set(found)
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in found.values()):
            break
    return names


class _TaskCriterion:
    """The strategy's task loss in the place of the template's criterion, which it falls back to where the two agree."""

    def __init__(self, owner: DistillationPlugin, template: Template) -> None:
        self.owner = owner
        self.template = template

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        template, owner = self.template, self.owner
        loss = owner.strategy.task_loss
        task = owner.tasks[-1] if owner.tasks else None
        plain = task is None or loss.is_plain(task, own_heads=owner.adapter.multitask)
        if plain or task is None or not template.is_training:
            return cast(Tensor, owner._criterion(output, target))
        label = template.mbatch[-1] if len(template.mbatch) > 2 else torch.zeros_like(target)
        return loss(output, target, label, task)


def plugin(
    strategy: str | Strategy, *, scenario: Scenario | None = None, seed: int = 0, **options: Any
) -> DistillationPlugin:
    """A strategy, by name or as an object, as a plugin for any Avalanche ``SupervisedTemplate``.

    Args:
        strategy: a registered name, such as ``"lwf"``, or a :class:`~lifelong_kd.strategy.base.Strategy`.
        scenario: how the stream is read: ``"class"``, ``"task"`` or ``"domain"``; found out from the task labels if not
            given.
        seed: root of the memory's random draws.
        **options: the strategy's options, if it is given by name.

    Raises:
        BadCall: for an unknown name, an unknown option, or one of Avalanche's own strategies.

    Example:
        >>> lwf = plugin("lwf", temperature=2.0)
        >>> lwf.teacher.ready
        False
    """
    if isinstance(strategy, Strategy):
        if options:
            raise BadCall(f"options {sorted(options)} are for a strategy given by name")
        return DistillationPlugin(strategy, scenario=scenario, seeds=Seeds(seed))
    factory = strategies.get(strategy)
    try:
        built = factory(**options)
    except TypeError as error:
        raise BadCall(f"strategy {strategy!r}: {error}") from error
    if not isinstance(built, Strategy):
        raise BadCall(f"{strategy!r} is one of Avalanche's own strategies: use the class of avalanche itself")
    return DistillationPlugin(built, scenario=scenario, seeds=Seeds(seed))
