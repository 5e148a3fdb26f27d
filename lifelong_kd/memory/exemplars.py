"""Exemplars: a fixed budget, chosen class by class at the end of each task."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.memory.base import Describe, Memory, Samples, joined

__all__ = ["Balanced", "Exemplars", "Herding", "described", "herd", "stored"]

DESCRIBE_AT_ONCE = 1024
"""Samples passed through the student at a time while exemplars are chosen."""


def herd(features: Tensor, count: int) -> Tensor:
    """Positions of the samples whose running mean stays nearest to the mean of all, in order of choice.

    ``p_k = argmin_x || mu - (phi(x) + sum_{j<k} phi(p_j)) / k ||``: iCaRL, algorithm 4 (Rebuffi et al. 2017). No sample
    is chosen twice.

    Args:
        features: shape (samples, dimensions).
        count: how many to choose; all of them if there are fewer.

    Returns:
        Positions, int64, shape (min(count, samples),).

    >>> herd(torch.tensor([[0.0], [1.0], [5.0]]), 2)
    tensor([1, 2])
    """
    features = features.double()
    mean = features.mean(dim=0)
    total = torch.zeros_like(mean)
    free = torch.ones(len(features), dtype=torch.bool, device=features.device)
    chosen: list[Tensor] = []
    for k in range(1, min(count, len(features)) + 1):
        distance = (mean - (features + total) / k).square().sum(dim=1)
        best = distance.masked_fill(~free, torch.inf).argmin()
        free[best] = False
        total = total + features[best]
        chosen.append(best)
    return torch.stack(chosen).cpu() if chosen else torch.empty(0, dtype=torch.int64)


class Exemplars(Memory):
    """Exemplars of each class in order of preference, so that a smaller budget keeps the first ones.

    A subclass says which ones in ``choose``.
    """

    def __init__(self, *, total: int | None = None, per_class: int | None = None) -> None:
        super().__init__()
        if (total is None) == (per_class is None):
            raise BadCall("give either total=N (shared by all classes seen) or per_class=N, and not both")
        budget = total if total is not None else per_class
        if budget is None or budget < 1:
            raise BadCall(f"a memory's budget must be at least 1, got {budget}")
        self.total = total
        self.per_class = per_class

    @property
    def chooses(self) -> str:
        return "task"

    def quota(self, classes: int) -> int:
        """Exemplars a class may keep when ``classes`` have been seen."""
        if self.per_class is not None:
            return self.per_class
        if self.total is None:
            raise RuntimeError("a memory has a total or a budget per class")
        return self.total // classes

    def check(self, classes: int, tasks: int = 1, again: int = 1) -> None:
        if self.quota(classes) == 0:
            raise BadCall(
                f"a memory of {self.total} exemplars in total has none left for each of {classes} classes:"
                f" give it at least {classes}"
            )
        if self.quota(classes) < again:
            raise BadCall(
                f"a memory of {self.quota(classes)} exemplars a class has none left for each of the {again} tasks that"
                f" a class comes in: give it at least {again} a class"
            )

    @abstractmethod
    def choose(self, features: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Positions of the samples to keep of one class, best first."""

    def consolidate(self, task: Task, data: TaskData, describe: Describe, generator: torch.Generator) -> None:
        self.check(len(task.seen), again=max(groups_of(task, column) for column in task.seen))
        quota = self.quota(len(task.seen))
        # A domain-incremental task brings new samples of old classes: a class's share is then split over its tasks.
        kept = [
            self._shrunk(number, column, quota // groups_of(task, column))
            for number, group in enumerate(task.history)
            for column in group
        ]
        for column in task.new:
            share = quota // groups_of(task, column)
            index = (data.targets == column).nonzero().squeeze(1)
            if len(index):
                kept.append(self._chosen(task, data, index, share, describe, generator))
        parts = [part for part in kept if part is not None and len(part["y"])]
        if parts:
            self.samples = joined(parts)

    def _shrunk(self, number: int, column: int, share: int) -> Samples | None:
        if not self.samples:
            return None
        mine = (self.samples["y"] == column) & (self.samples["task"] == number)
        return self.rows(mine.nonzero().squeeze(1)[:share])

    def _chosen(
        self,
        task: Task,
        data: TaskData,
        index: Tensor,
        share: int,
        describe: Describe,
        generator: torch.Generator,
    ) -> Samples:
        logits, features = described(data, index, describe)
        order = self.choose(features, share, generator)
        return stored(
            self,
            task,
            data,
            index[order],
            logits[order.to(logits.device)],
            features[order.to(features.device)],
        )


def described(data: TaskData, index: Tensor, describe: Describe) -> tuple[Tensor, Tensor]:
    """Logits (n, columns) and features (n, dimensions) of the samples at ``index``, a part at a time."""
    parts = [describe(data.raw(part)) for part in index.split(DESCRIBE_AT_ONCE)]
    return torch.cat([logits for logits, _ in parts]), torch.cat([features for _, features in parts])


def stored(
    memory: Memory, task: Task, data: TaskData, rows: Tensor, logits: Tensor | None, features: Tensor | None
) -> Samples:
    """What ``memory`` keeps of the samples at ``rows`` of a task's data; logits and features only if it is asked to."""
    raw = data.raw(rows)
    samples = {
        "raw": raw,
        "y": data.targets[rows].to(raw.device),
        "label": data.labels[rows].to(raw.device),
        "task": torch.full((len(rows),), task.index, device=raw.device),
    }
    if memory.keep_logits and logits is not None:
        samples["logits"] = logits.float()
    if memory.keep_features and features is not None:
        samples["features"] = features.float()
    return samples


def groups_of(task: Task, column: int) -> int:
    """In how many tasks so far, this one included, ``column`` has been a class."""
    return sum(column in group for group in (*task.history, task.new))


class Herding(Exemplars):
    """Exemplars by herding on normalised features (iCaRL, algorithm 4).

    Args:
        total: number of exemplars shared evenly by all classes seen so far.
        per_class: number of exemplars of each class instead.
    """

    def choose(self, features: Tensor, count: int, generator: torch.Generator) -> Tensor:
        return herd(F.normalize(features, dim=1), count)


class Balanced(Exemplars):
    """The same number of exemplars of every class, chosen at random.

    Args:
        total: number of exemplars shared evenly by all classes seen so far.
        per_class: number of exemplars of each class instead.
    """

    def choose(self, features: Tensor, count: int, generator: torch.Generator) -> Tensor:
        return torch.randperm(len(features), generator=generator)[:count]
