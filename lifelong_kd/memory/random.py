"""Exemplars of each task at random, whatever their classes."""

from __future__ import annotations

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.memory.base import Describe, Memory, joined
from lifelong_kd.memory.exemplars import described, stored

__all__ = ["Random"]


class Random(Memory):
    """Samples of each task drawn uniformly at its end; how many of which class is left to chance.

    As FDR keeps them (Benjamin, Rolnick, Kording 2019, arXiv 1805.08289; Buzzega et al. 2020, whose code shares the
    budget by tasks): each of t tasks has ``total // t`` samples, of which a smaller budget keeps the first. Logits,
    where a strategy asks for them, are those of the student in evaluation mode at the end of the task.

    Args:
        total: number of samples shared evenly by all tasks so far.
        per_task: number of samples of each task instead.
    """

    def __init__(self, *, total: int | None = None, per_task: int | None = None) -> None:
        super().__init__()
        if (total is None) == (per_task is None):
            raise BadCall("give either total=N (shared by all tasks so far) or per_task=N, and not both")
        budget = total if total is not None else per_task
        if budget is None or budget < 1:
            raise BadCall(f"a memory's budget must be at least 1, got {budget}")
        self.total = total
        self.per_task = per_task

    @property
    def chooses(self) -> str:
        return "task"

    def check(self, classes: int, tasks: int = 1, again: int = 1) -> None:
        if self.total is not None and self.total < tasks:
            raise BadCall(
                f"a memory of {self.total} samples in total has none left for each of {tasks} tasks:"
                f" give it at least {tasks}"
            )

    def consolidate(self, task: Task, data: TaskData, describe: Describe, generator: torch.Generator) -> None:
        tasks = task.index + 1
        self.check(len(task.seen), tasks)
        share = self.per_task if self.total is None else self.total // tasks
        parts = []
        if self.samples:
            for number in self.samples["task"].unique().tolist():
                mine = (self.samples["task"] == number).nonzero().squeeze(1)
                parts.append(self.rows(mine[:share]))
        rows = torch.randperm(len(data.targets), generator=generator)[:share]
        if len(rows):
            asked = self.keep_logits or self.keep_features
            logits, features = described(data, rows, describe) if asked else (None, None)
            parts.append(stored(self, task, data, rows, logits, features))
        self.samples = joined(parts)
