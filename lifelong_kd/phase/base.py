"""The contract of a phase, and what a phase, a correction or a term is given of the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, TaskData, Wants
from lifelong_kd.memory.base import Describe, Memory, Samples
from lifelong_kd.teacher.base import Teacher

__all__ = ["MakeOptimizer", "Phase", "Stage", "When"]

When = Literal["before", "after", "balanced"]
"""Before the task's own training, after it, or after it when the memory has chosen its exemplars too."""


class MakeOptimizer(Protocol):
    """An optimiser of the run's own kind, for other parameters."""

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float | None = None) -> torch.optim.Optimizer:
        """Over ``parameters``, at ``lr`` or the run's own learning rate."""


class Say(Protocol):
    """How any module built like the student is called."""

    def __call__(
        self, module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        """What ``module`` says about ``x``, samples or outputs of its stage ``at``, under their own task labels."""


@dataclass
class Stage:
    """A task of a run, as seen from outside its main training: what a phase may touch.

    ``model`` is the student, ``data`` the task's training data, ``loss(logits, y, label)`` the strategy's
    task loss, ``say`` calls any module built like the student, ``describe`` gives the student's logits and
    features of raw samples in evaluation mode. ``batch_size`` and ``epochs`` are those of the main training.
    ``held`` are the samples that the strategy kept out of it, if any.
    """

    task: Task
    data: TaskData
    model: nn.Module
    memory: Memory | None
    say: Say
    describe: Describe
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    seeds: Seeds
    device: torch.device
    batch_size: int
    epochs: int
    optimizer: MakeOptimizer
    held: Samples | None = None
    draw: Callable[[str, int], Batch | None] = lambda source, count: None
    notes: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        """Let the log of this task say ``value`` under ``name``."""
        # A number of NumPy or torch could not be read back from a checkpoint.
        self.notes[name] = float(value)


class Phase(ABC):
    """A part of a task beside its main training, with parameters, data, loss and epochs of its own."""

    when: ClassVar[When] = "before"

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """The teachers that this phase trains or asks."""
        return ()

    def begins_anew(self, task: int) -> bool:
        """Whether the student of ``task`` keeps nothing of the weights that it had before."""
        return False

    def prepare(self, stage: Stage) -> None:
        """Told at the start of every task, a resumed one too: freeze what is frozen, note what is noted."""

    @abstractmethod
    def run(self, stage: Stage) -> None:
        """Do it. Not called again for a task that is resumed after it."""
