"""The types that travel between rooms: tasks, batches and the run's own description."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["LOGITS", "Batch", "Moment", "Said", "Scenario", "Task", "TaskData", "Wants"]

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

    ``batch`` and ``replayed`` are the sizes of the current new and memory batches, ``progress`` in [0, 1) is the share
    of the task's steps that are done.
    """

    task: int
    old: int
    new: int
    batch: int = 0
    replayed: int = 0
    progress: float = 0.0


@dataclass(frozen=True)
class Wants:
    """What a model is asked for besides its logits.

    ``features``: the input of its head. ``maps``: the outputs of all its stages. ``at``: those of the modules of these
    names. ``gradients``: that the logits can be differentiated with respect to the maps, for a teacher as well.
    """

    features: bool = False
    maps: bool = False
    at: tuple[str, ...] = ()
    gradients: bool = False

    @classmethod
    def of(cls, needs: Collection[str], at: Sequence[str] | None = None) -> Wants:
        """The wants of a knowledge that needs ``needs``, of maps those named ``at`` or all stages."""
        mapped = "maps" in needs
        return cls(
            features="features" in needs,
            maps=mapped and at is None,
            at=tuple(at or ()) if mapped else (),
            gradients="gradients" in needs,
        )

    def __or__(self, other: Wants) -> Wants:
        return Wants(
            self.features or other.features,
            self.maps or other.maps,
            tuple(dict.fromkeys((*self.at, *other.at))),
            self.gradients or other.gradients,
        )

    @property
    def only_logits(self) -> bool:
        """Whether nothing but logits is wanted."""
        return not (self.features or self.maps or self.at)


LOGITS = Wants()
"""Nothing but logits."""


@dataclass
class Said:
    """What a model says about a batch.

    ``logits`` have shape (batch, columns); a model of Avalanche's with one head a task gives one such tensor for each
    task label as ``heads`` instead. ``features`` (batch, dimensions) are the input of the head, ``maps`` the outputs of
    its stages by name, in order. ``known`` (batch, bool) are the samples that a teacher says anything about, of one
    that abstains from others; what it says of those is not looked at.
    """

    logits: Tensor
    features: Tensor | None = None
    maps: Mapping[str, Tensor] = field(default_factory=dict)
    heads: Mapping[int, Tensor] | None = None
    known: Tensor | None = None

    def split(self, sizes: Sequence[int]) -> list[Said]:
        """What was said about each of several batches that were passed on as one."""
        logits = self.logits.split(list(sizes))
        features = self.features.split(list(sizes)) if self.features is not None else [None] * len(sizes)
        maps = {name: value.split(list(sizes)) for name, value in self.maps.items()}
        return [
            Said(logits[i], features[i], {name: parts[i] for name, parts in maps.items()})
            for i in range(len(sizes))
        ]


@dataclass
class Batch:
    """Samples as the model sees them, and what is known of them.

    ``x`` is the transformed input (batch first), ``y`` the class (int64), ``label`` the task label (int64).
    ``raw`` is what a memory would keep (before augmentation; ``x`` itself where there is no such thing),
    ``index`` the position in what the task is trained on where the loader tells it, ``row`` that in the task's own
    data, -1 for a sample of a memory or an earlier task among them, ``fields`` what a memory has stored with the
    samples, such as ``logits``. ``at`` is the stage of the network whose output ``x`` is, of samples that are replayed
    inside it; ``None`` is its input.
    """

    x: Tensor
    y: Tensor
    label: Tensor
    raw: Tensor
    index: Tensor | None = None
    fields: Mapping[str, Tensor] = field(default_factory=dict)
    at: str | None = None
    row: Tensor | None = None

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

    @property
    def left_out(self) -> int | None:
        """How many of the task's samples ``stream.per_class`` left out; ``None`` where that is not known."""

    def raw_left_out(self, index: Tensor) -> Tensor:
        """As :meth:`raw`, of the samples that were left out; their classes cannot be asked for."""

    def about(self, index: Tensor) -> Sequence[Mapping[str, str]]:
        """What the data say of each of the samples at ``index`` besides its class; empty if they say nothing."""

    def plain(self, raw: Tensor) -> Tensor:
        """Raw samples as the model sees them in evaluation."""

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        """Raw samples as the model sees them in training, each with a draw of its own."""
