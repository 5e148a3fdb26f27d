"""A training loop of a few lines that does with a strategy what the engine does, without Avalanche."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Said, Scenario, Task, Wants
from lifelong_kd.correction.base import Asked
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside
from lifelong_kd.model.network import Network
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson

CPU = torch.device("cpu")
INPUTS = 5


class Data:
    """Samples of a task in memory; the augmented view shifts each sample by a random number."""

    def __init__(self, x: Tensor, y: Tensor, label: Tensor) -> None:
        self.x = x
        self.targets = y
        self.labels = label

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw + 0.1 * torch.rand(len(raw), 1, generator=generator)


def tasks_of(groups: Sequence[tuple[int, ...]], scenario: Scenario = "class") -> list[Task]:
    """The tasks of a stream whose classes are ``groups``."""
    tasks = []
    for t, group in enumerate(groups):
        labels = {k: groups[k] for k in range(t + 1)} if scenario == "task" else {0: ()}
        if scenario != "task":
            labels = {0: tuple(sorted({c for seen in groups[: t + 1] for c in seen}))}
        tasks.append(
            Task(
                index=t,
                scenario=scenario,
                new=group,
                history=tuple(groups[:t]),
                by_label=labels,
                label=t if scenario == "task" else 0,
            )
        )
    return tasks


def data_of(task: Task, each: int = 8) -> Data:
    """``each`` samples of each class of ``task``, around a point of their own."""
    rng = torch.Generator().manual_seed(100 + task.index)
    y = torch.tensor(task.new).repeat(each)
    x = torch.randn(len(y), INPUTS, generator=rng) + torch.sin(3.0 * y[:, None] + torch.arange(INPUTS))
    return Data(x, y, torch.full_like(y, task.label))


def no_heads(batch: Batch) -> dict[int, Tensor]:
    raise AssertionError("this model has no heads")


@dataclass
class Driver:
    """A strategy, a model and where they stand."""

    strategy: Strategy
    model: nn.Module
    lr: float = 0.1
    seeds: Seeds = field(default_factory=lambda: Seeds(0))
    forwards: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.strategy.begin(self.call, self.seeds, CPU)

    @staticmethod
    def call(
        module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        with Hearing(module, wants, leaves=wants.gradients) as hearing:
            return hearing.said(module(x) if at is None else from_inside(module, x, at))

    def say(
        self, module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        with Hearing(module, wants) as hearing:
            return hearing.said(module(x) if at is None else from_inside(module, x, at))

    def student(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        self.forwards.append(len(batch))
        return self.say(self.model, batch.x, batch.label, wants, batch.at)

    def stage(self, task: Task, data: Data) -> Stage:
        strategy = self.strategy
        return Stage(
            task=task,
            data=data,
            model=self.model,
            memory=strategy.memory,
            say=self.say,
            describe=self.describe,
            loss=lambda logits, y, label: strategy.task_loss(logits, y, label, task),
            seeds=self.seeds,
            device=CPU,
            batch_size=6,
            epochs=1,
            optimizer=lambda parameters, lr=None: torch.optim.SGD(
                parameters, lr=self.lr if lr is None else lr
            ),
        )

    def describe(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            features = self.model.features(raw) if isinstance(self.model, Network) else raw
            said = self.model(raw)
        self.model.train(training)
        return said, features

    def asked(self, x: Tensor) -> Asked:
        """Those samples, as the rule of inference sees them."""
        label = torch.zeros(len(x), dtype=torch.int64)
        return Asked(
            x=x,
            label=label,
            task=self.strategy.task,
            features=lambda: self.describe(x)[1],
            answer=lambda module: self.say(module, x, label).logits.detach(),
        )

    def begin(self, task: Task, data: Data | None = None) -> Data:
        data = data or data_of(task)
        grow = getattr(self.model, "grow", None)
        if grow is not None:
            with self.seeds.default(f"head/{task.index}"):
                grow(task.new, task.label)
        self.strategy.hold_out(data, task)
        self.strategy.begin_task(self.stage(task, data))
        return data

    def lesson(
        self, batch: Batch, heads: Callable[[Batch], dict[int, Tensor]] = no_heads
    ) -> tuple[Tensor, Lesson]:
        """The task loss of a batch, and the step as terms see it."""
        lesson = self.strategy.lesson(batch, None, self.student, heads)
        said = lesson.student("new")
        loss = self.strategy.task_loss(said.logits, batch.y, batch.label, self.strategy.task)
        return loss, lesson

    def step(self, batch: Batch) -> Lesson:
        """One step of plain gradient descent."""
        loss, lesson = self.lesson(batch)
        total = self.strategy.loss(loss, lesson)
        self.model.zero_grad()
        total.backward()
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter -= self.lr * parameter.grad
        self.strategy.after_step(lesson)
        return lesson

    def end(self) -> None:
        self.strategy.end_task(self.strategy.stage)

    def learn(self, task: Task, steps: int = 4, size: int = 6) -> None:
        """A whole task."""
        self.model.train()
        data = self.begin(task)
        x, y, label = data.x, data.targets, data.labels
        if self.strategy.train_on == "new_and_memory" and self.strategy.memory is not None:
            kept = self.strategy.memory.take(torch.arange(len(self.strategy.memory)))
            if kept:
                x, y = torch.cat([x, kept["raw"]]), torch.cat([y, kept["y"]])
                label = torch.cat([label, kept["label"]])
        order = self.seeds.generator("order")
        for _ in range(steps):
            rows = torch.randperm(len(y), generator=order)[:size]
            view = data.augmented(x[rows], self.seeds.generator("augment/new"))
            self.step(Batch(x=view, y=y[rows], label=label[rows], raw=x[rows]))
        self.end()


def batch_of(data: Data, rows: Sequence[int]) -> Batch:
    """Those samples as they are."""
    index = torch.tensor(rows)
    return Batch(x=data.x[index], y=data.targets[index], label=data.labels[index], raw=data.x[index])


def linear(columns: int, seed: int = 0) -> nn.Linear:
    """A linear model in double precision."""
    torch.manual_seed(seed)
    return nn.Linear(INPUTS, columns)
