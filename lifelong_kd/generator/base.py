"""The contract of a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["Generator", "Made"]


@dataclass(frozen=True)
class Made:
    """Samples that a generator made.

    ``raw`` has the samples first and the shape of the stream's raw samples, as float32 in the range of what the views
    are made of (images in [0, 1]); of a generator with a ``level`` it has the shape of that stage's output. ``y`` is
    the class that each was asked for (int64), or ``None`` if the generator does not know: then the solver says it.
    """

    raw: Tensor
    y: Tensor | None = None


class Generator(ABC):
    """Makes samples of the classes that were learned before, in the place of samples that were kept.

    It is told of a run in this order::

        begin(seeds, device)
        for each task:
            begin_task(task, data, solver)      # a data-free one trains or inverts here, against the solver
            for each step of the student:
                draw(count, generator)          # from the second task on
                learn(new, replayed, share)     # a step of its own, on the same batches; of one that is ``trained``
            end_task(task, data, model)         # what it has learned now makes the samples of the next task

    A generator that draws while it learns draws from what it was at the end of the previous task, so that a task's
    samples do not depend on how far it has come. It is never part of the student.
    """

    level: str | None = None
    """The stage of the student at whose output the samples are made; ``None``: at its input."""

    trained: bool = True
    """Whether it learns from the stream's samples; a data-free one learns from the solver alone."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        """What it has to say about its last steps, such as its loss, for the log; not in the loop, but when asked."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether it can make samples: of the tasks before the current one."""

    def begin(self, seeds: Seeds, device: torch.device) -> None:
        """Told once, before the first task, where random draws come from and where tensors live."""

    def check(self, task: Task, data: TaskData, model: nn.Module) -> None:
        """Refuse a stream or a student that it cannot work with; told when a task begins, before anything is trained.

        Raises:
            BadCall: saying what does not fit.
        """

    def begin_task(self, task: Task, data: TaskData, solver: Snapshot, *, resumed: bool = False) -> None:
        """Told when a task begins, before its first step.

        Args:
            task: the task.
            data: its training data.
            solver: the student as it was after the previous task, silent in the first. A generator that works inside
                the student or against the solver keeps it for this task.
            resumed: whether a state saved inside this task is put back afterwards: the solver is not there yet, and
                nothing is trained or made.
        """

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        """Make a training step of its own; told after each step of the student, with the same batches, if ``trained``.

        Args:
            new: the new batch.
            replayed: what :meth:`draw` made for this step.
            share: of the replayed samples in its loss, in [0, 1]: ``1 - 1/t`` in task t = 1, 2, ...
        """

    def end_task(self, task: Task, data: TaskData, model: nn.Module) -> None:
        """Told at the end of a task, before the solver becomes what ``model`` is now."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Made:
        """``count`` samples, the same for a generator in the same state; carries no gradient.

        Args:
            count: how many.
            generator: on the CPU; what is random is drawn from it.
        """

    def score(self, raw: Tensor) -> float | None:
        """How well it models ``raw`` samples, lower is better, or ``None``; what rounds look at, on validation data."""
        return None

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps between two tasks, in the place of a memory's."""
        return 0

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart, also in the middle of a task: networks, optimisers, the frozen copy."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave; told between two tasks, or in one after its ``begin_task``."""
