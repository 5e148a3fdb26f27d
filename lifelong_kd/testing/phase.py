"""What every phase promises."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Said, Scenario, Task, Wants
from lifelong_kd.memory.base import Samples
from lifelong_kd.memory.exemplars import Balanced
from lifelong_kd.model.build import build_network
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside
from lifelong_kd.phase.base import Phase, Stage
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.testing.expect import expect
from lifelong_kd.testing.strategy import check_strategy

__all__ = ["SmallRun", "check_phase"]

CPU = torch.device("cpu")


class _Data:
    """Points around one centre a class, read in batches."""

    def __init__(self, task: Task, each: int = 9) -> None:
        generator = torch.Generator().manual_seed(task.index)
        self.targets = torch.tensor(sorted(task.new)).repeat(each)
        self.left_out = 0
        self.labels = torch.full_like(self.targets, task.label)
        centre = torch.sin(2.0 * self.targets[:, None] + torch.arange(4))
        self.x = centre + 0.3 * torch.randn(len(centre), 4, generator=generator)

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def raw_left_out(self, index: Tensor) -> Tensor:
        return self.raw(index[:0])

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw + 0.1 * torch.randn(raw.shape, generator=generator)


class SmallRun:
    """A small network with BatchNorm and dropout on the way through tasks of two classes, without a training loop.

    Args:
        scenario: how the stream is read.
    """

    def __init__(self, scenario: Scenario = "class") -> None:
        self.scenario = scenario
        self.seeds = Seeds(0)
        with self.seeds.default("init"):
            self.model: nn.Module = build_network(
                (4,),
                6,
                model=("mlp", {"hidden": [8], "batch_norm": True, "dropout": 0.2}),
                head=("multihead" if scenario == "task" else "linear", {}),
            )
        self.memory = Balanced(total=12)

    def task(self, index: int) -> Task:
        """The task of that number, its classes not in order of their columns."""
        classes: list[tuple[int, ...]] = (
            [(0, 1)] * 3 if self.scenario == "domain" else [(4, 1), (0, 3), (2, 5)]
        )
        labels = {k: classes[k] for k in range(index + 1)}
        if self.scenario != "task":
            labels = {0: tuple(sorted({c for group in classes[: index + 1] for c in group}))}
        return Task(
            index=index,
            scenario=self.scenario,
            new=classes[index],
            history=tuple(classes[:index]),
            by_label=labels,
            label=index if self.scenario == "task" else 0,
        )

    def stage(self, index: int, held: Samples | None = None) -> Stage:
        """The task of that number as a phase or a correction sees it; the head has grown for it."""
        task = self.task(index)
        grow: Any = self.model.grow
        with self.seeds.default(f"head/{index}"):
            grow(task.new, task.label)
        loss = TaskLoss("all")
        return Stage(
            task=task,
            data=_Data(task),
            model=self.model,
            memory=self.memory,
            say=self.say,
            describe=self.describe,
            loss=lambda logits, y, label: loss(logits, y, label, task),
            seeds=self.seeds,
            device=CPU,
            batch_size=8,
            epochs=2,
            optimizer=lambda parameters, lr=None: torch.optim.SGD(
                parameters, lr=0.05 if lr is None else lr, momentum=0.9, weight_decay=0.01
            ),
            held=held,
        )

    def say(
        self, module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        """What any module built like the student says."""
        with Hearing(module, wants) as hearing:
            return hearing.said(module(x) if at is None else from_inside(module, x, at))

    def describe(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """The student's logits and features in evaluation mode."""
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        with torch.no_grad():
            said = self.say(self.model, raw, torch.zeros(len(raw)), Wants(features=True))
        for module, mode in modes.items():
            module.training = mode
        features = said.features
        expect(features is not None, "the small network has features")
        return said.logits, features if features is not None else raw

    def learn(self, stage: Stage) -> None:
        """A few steps of plain training, in place of the task's own."""
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.model.train()
        data: Any = stage.data
        with self.seeds.default(f"learn/{stage.task.index}"):
            for _ in range(3):
                optimizer.zero_grad()
                stage.loss(self.model(data.x), data.targets, data.labels).backward()
                optimizer.step()
        optimizer.zero_grad()

    def remember(self, stage: Stage) -> None:
        """Let the memory choose."""
        self.memory.consolidate(stage.task, stage.data, stage.describe, self.seeds.generator("memory"))


def check_phase(make: Callable[[], Phase], *, scenario: Scenario = "class", strategy: bool = True) -> None:
    """Check that a phase repeats, resumes, and disturbs nothing but the parameters that it trains.

    Random draws elsewhere, module modes, gradients, hooks, the parameters' identity and the memory are looked
    at on a small network over three tasks; then a strategy with the phase goes through
    :func:`check_strategy`.

    Args:
        make: makes a fresh phase.
        scenario: the scenario of the stream that it is checked on.
        strategy: whether the second part is done.

    Raises:
        AssertionError: saying which promise is broken.
    """
    first, second = _walked(make(), scenario), _walked(make(), scenario)
    same = all(torch.equal(first[name], second[name]) for name in first)
    expect(same, f"{type(make()).__name__} ends with other weights when it is run again with the same seed")
    if strategy:
        check_strategy(partial(_strategy, make), scenario=scenario)


def _strategy(make: Callable[[], Phase]) -> Strategy:
    return Strategy(
        task_loss=TaskLoss("all"), memory=Balanced(total=24), train_on="new_and_memory", phases=[make()]
    )


def _walked(phase: Phase, scenario: Scenario) -> dict[str, Tensor]:
    """Go through three tasks with a phase, looking at everything around it; the weights in the end."""
    name, run = type(phase).__name__, SmallRun(scenario)
    for teacher in phase.teachers:
        teacher.begin(run.say, CPU)
    for index in range(3):
        stage = run.stage(index)
        for teacher in phase.teachers:
            teacher.begin_task(stage.task)
        phase.prepare(stage)
        for when in ("before", "after", "balanced"):
            if when == "after":
                run.learn(stage)
            if when == "balanced":
                run.remember(stage)
            if phase.when == when:
                _watched(phase, stage, run, f"{name} in task {index}")
    return {key: value.clone() for key, value in run.model.state_dict().items()}


def _watched(phase: Phase, stage: Stage, run: SmallRun, name: str) -> None:
    model = stage.model
    run.seeds.generator("elsewhere")
    modes = [module.training for module in model.modules()]
    asks = [parameter.requires_grad for parameter in model.parameters()]
    parameters = [id(parameter) for parameter in model.parameters()]
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    default, named = torch.get_rng_state(), run.seeds.state_dict()
    kept = copy.deepcopy(run.memory.samples)
    phase.run(stage)
    expect(torch.equal(torch.get_rng_state(), default), f"{name} draws from torch's default generator")
    now = run.seeds.state_dict()
    drawn = [
        key
        for key, state in named.items()
        if not torch.equal(now[key], state) and not key.startswith("phase/")
    ]
    expect(not drawn, f"{name} draws from generators that are not its own ('phase/...'): {drawn}")
    expect([m.training for m in model.modules()] == modes, f"{name} leaves modules in another mode")
    expect(all(p.grad is None for p in model.parameters()), f"{name} leaves gradients behind")
    expect([p.requires_grad for p in model.parameters()] == asks, f"{name} leaves requires_grad changed")
    expect(
        [id(p) for p in model.parameters()] == parameters,
        f"{name} puts other objects in the place of parameters",
    )
    after = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    expect(after == hooks, f"{name} leaves hooks on the student")
    whole = all(torch.equal(kept[key], run.memory.samples[key]) for key in kept)
    expect(whole and len(kept) == len(run.memory.samples), f"{name} changes the memory's samples")
    expect(all(p.isfinite().all() for p in model.parameters()), f"{name} leaves weights that are not finite")
