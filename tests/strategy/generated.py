"""A step in the third task of a strategy with a generator, on images of 4x4 pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch, Scenario
from lifelong_kd.model.build import build_network
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.teacher.snapshot import Snapshot
from tests.strategy.driver import Data, Driver, tasks_of

GROUPS = {
    "class": [(5, 0), (3, 1), (4, 2)],
    "task": [(5, 0), (3, 1), (4, 2)],
    "domain": [(1, 0), (0, 1), (1, 0)],
}


@dataclass
class Third:
    """The step: its whole loss, its lesson, and where it was made."""

    driver: Driver
    lesson: Lesson
    total: Tensor

    def batch(self, source: str) -> Batch:
        found = self.lesson.batch(source)  # type: ignore[arg-type]
        assert found is not None
        return found

    def student(self, source: str) -> Tensor:
        return self.lesson.student(source).logits.detach()  # type: ignore[arg-type]

    def taught(self) -> Tensor:
        """What the previous model says of the generated samples."""
        solver = self.driver.strategy.solver
        assert type(solver) is Snapshot and solver.module is not None
        with torch.no_grad():
            said: Tensor = solver.module(self.batch("generated").x)
        return said


class Images(Data):
    """A view is a little brighter than its sample."""

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw + 0.1 * torch.rand(len(raw), 1, 1, 1, generator=generator)


def images(task_classes: tuple[int, ...], label: int, each: int = 6) -> Data:
    """Noisy images, those of a class around its own pattern."""
    rng = torch.Generator().manual_seed(9)
    pattern = torch.rand(6, 1, 4, 4, generator=rng)
    y = torch.tensor(task_classes).repeat(each)
    x = (pattern[y] + 0.2 * torch.rand(len(y), 1, 4, 4, generator=rng)).clamp(0, 1)
    return Images(x, y, torch.full_like(y, label))


def third_step(strategy: Strategy, scenario: Scenario = "class") -> Third:
    """After two short tasks and a step of the third: the next step."""
    torch.manual_seed(0)
    head = ("multihead", {}) if scenario == "task" else ("linear", {"grow": True})
    driver = Driver(strategy, build_network((1, 4, 4), 6, model=("mlp", {"hidden": [8]}), head=head))
    for task in tasks_of(GROUPS[scenario], scenario):
        data = driver.begin(task, images(task.new, task.label))
        for start in (0, 4):
            rows = slice(start, start + 4)
            driver.step(Batch(data.x[rows], data.targets[rows], data.labels[rows], data.x[rows]))
        if task.index < 2:
            driver.end()
    rows = slice(3, 9)
    loss, lesson = driver.lesson(Batch(data.x[rows], data.targets[rows], data.labels[rows], data.x[rows]))
    return Third(driver, lesson, strategy.loss(loss, lesson).detach())
