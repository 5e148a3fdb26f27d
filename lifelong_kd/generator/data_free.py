"""Generators that learn nothing from the stream: they ask the previous model when a task begins."""

from __future__ import annotations

from abc import abstractmethod

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.generator.against import Against
from lifelong_kd.generator.base import Generator
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["DataFree", "at_least"]


class DataFree(Generator):
    """Prepares its samples at the beginning of a task, from the second on, against the student as it was before it."""

    trained = False

    def __init__(self) -> None:
        super().__init__()
        self._seeds = Seeds(0)
        self._device = torch.device("cpu")

    def begin(self, seeds: Seeds, device: torch.device) -> None:
        self._seeds, self._device = seeds, device

    def begin_task(self, task: Task, data: TaskData, solver: Snapshot, *, resumed: bool = False) -> None:
        if not resumed and solver.ready and task.old:
            self.prepare(Against(solver, task, data, self._device), task)

    @abstractmethod
    def prepare(self, against: Against, task: Task) -> None:
        """Make the samples, or learn to make them.

        Args:
            against: the student as it was after the previous task.
            task: the task that begins.
        """


def at_least(least: int, **options: int) -> None:
    """Refuse options below ``least``.

    Raises:
        BadCall: naming the first.
    """
    for name, value in options.items():
        if value < least:
            raise BadCall(f"{name} must be at least {least}, got {value}")
