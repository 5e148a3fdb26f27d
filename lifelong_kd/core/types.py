"""The types that travel between rooms: tasks, batches and the run's own description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["Batch", "Moment", "Scenario", "Task", "TaskData"]

Scenario = Literal["class", "task", "domain"]


@dataclass(frozen=True)
class Task:
    """One task of a stream, as far as it is known while it is being learned.

    A class is named by the column of the logits that stands for it. ``new`` are the classes of this task,
    ``history`` those of each earlier task in order (in a domain-incremental stream they are all the same),
    ``by_label`` the classes of each task label met so far, this task's included. Task labels are what the model is
    told about a sample: in a class- or domain-incremental stream every sample has label 0.
    """

    index: int
    scenario: Scenario
    new: tuple[int, ...]
    history: tuple[tuple[int, ...], ...] = ()
    by_label: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    label: int = 0

    @property
    def old(self) -> tuple[int, ...]:
        """Classes of all earlier tasks, sorted, each once."""
        return tuple(sorted({column for classes in self.history for column in classes}))

    @property
    def seen(self) -> tuple[int, ...]:
        """Old and new classes, sorted, each once."""
        return tuple(sorted({*self.old, *self.new}))


@dataclass(frozen=True)
class Moment:
    """When a schedule is asked: ``task`` counts from 0, ``old`` and ``new`` are numbers of classes.

    ``batch`` and ``replayed`` are the sizes of the current new and memory batches.
    """

    task: int
    old: int
    new: int
    batch: int = 0
    replayed: int = 0


@dataclass
class Batch:
    """Samples as the model sees them, and what is known of them.

    ``x`` is the transformed input (batch first), ``y`` the class (int64), ``label`` the task label (int64).
    ``raw`` is what a memory would keep (before augmentation; ``x`` itself where there is no such thing),
    ``index`` the position in the task's training data where the loader tells it, ``fields`` what a memory has
    stored with the samples, such as ``logits``.
    """

    x: Tensor
    y: Tensor
    label: Tensor
    raw: Tensor
    index: Tensor | None = None
    fields: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)


class TaskData(Protocol):
    """The training data of one task, read in batches and without augmentation unless asked for."""

    @property
    def targets(self) -> Tensor:
        """Classes of all samples, int64, on the CPU."""

    @property
    def labels(self) -> Tensor:
        """Task labels of all samples, int64, on the CPU."""

    def raw(self, index: Tensor) -> Tensor:
        """What a memory keeps of the samples at ``index``."""

    def plain(self, raw: Tensor) -> Tensor:
        """Raw samples as the model sees them in evaluation."""

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        """Raw samples as the model sees them in training, each with a draw of its own."""
