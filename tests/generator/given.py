"""Samples to learn from, and a generator in its first task."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Scenario, Task
from lifelong_kd.generator.base import Generator
from lifelong_kd.model.build import build_network
from lifelong_kd.teacher.snapshot import Snapshot

CPU = torch.device("cpu")


class Given:
    """Samples of a task as they are; ``as_integers`` lets the model see them so."""

    def __init__(self, x: Tensor, y: Tensor, *, as_integers: bool = False) -> None:
        self.x, self.targets, self.labels = x, y, torch.zeros_like(y)
        self.as_integers = as_integers

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw if self.as_integers or raw.is_floating_point() else raw.float() / 255

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return self.plain(raw)

    def batch(self, rows: slice = slice(None)) -> Batch:
        x, y = self.x[rows], self.targets[rows]
        return Batch(self.plain(x), y, torch.zeros_like(y), x)


def halves(classes: tuple[int, ...], each: int = 8) -> Given:
    """Images (1, 4, 4) of bytes: of even classes the upper half is bright, of odd ones the lower."""
    y = torch.tensor(classes).repeat(each)
    x = torch.randint(40, (len(y), 1, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    x[y % 2 == 0, :, :2] += 200
    x[y % 2 == 1, :, 2:] += 200
    return Given(x, y)


def tasks(*groups: tuple[int, ...], scenario: Scenario = "class") -> list[Task]:
    """The tasks of a stream with those classes."""
    made = []
    for index, group in enumerate(groups):
        own = scenario == "task"
        seen = tuple(sorted({column for one in groups[: index + 1] for column in one}))
        labels = {number: groups[number] for number in range(index + 1)} if own else {0: seen}
        made.append(Task(index, scenario, group, tuple(groups[:index]), labels, index if own else 0))
    return made


def begun(generator: Generator, task: Task, data: Given, seed: int = 0) -> Seeds:
    """Tell a fresh generator of its first task; where its draws come from."""
    seeds = Seeds(seed)
    generator.begin(seeds, CPU)
    with Seeds(0).default("student"):
        student = build_network(tuple(data.x.shape[1:]), 8, model=("mlp", {"hidden": [6]}))
    generator.check(task, data, student)
    generator.begin_task(task, data, Snapshot())
    return seeds
