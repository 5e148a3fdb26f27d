"""Which columns of the logits a loss looks at."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from lifelong_kd.core.types import Task

__all__ = ["Over", "groups", "member", "pick", "within"]

Over = Literal["old", "new", "seen", "all", "per_task"]
"""Classes compared by a term: of earlier tasks, of this one, of both, all columns, or each earlier task alone."""


@lru_cache(maxsize=256)
def _index(classes: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(classes, dtype=torch.int64, device=device)


def pick(logits: Tensor, classes: tuple[int, ...]) -> Tensor:
    """The columns of ``classes``, a view where they are adjacent."""
    if not classes:
        return logits[:, :0]
    first, last = classes[0], classes[-1]
    if classes == tuple(range(first, last + 1)):
        return logits if first == 0 and last + 1 == logits.shape[1] else logits[:, first : last + 1]
    return logits[:, _index(classes, logits.device)]


def groups(task: Task, over: Over, width: int) -> list[tuple[int, ...]]:
    """The groups of columns that are compared, each with a softmax of its own.

    In a task-incremental stream ``old`` and ``seen`` mean each of their tasks on its own; ``all`` is every
    column at once in any stream, as stored logits are compared. Groups that are the same are compared once.
    """
    if over == "all":
        return [tuple(range(width))]
    if over == "new":
        return [task.new]
    if over == "per_task" or (task.scenario == "task" and over in ("old", "seen")):
        earlier = [*task.history, task.new] if over == "seen" else list(task.history)
        return list(dict.fromkeys(tuple(sorted(group)) for group in earlier if group))
    classes = task.old if over == "old" else task.seen
    return [classes] if classes else []


def within(label: Tensor, task: Task, width: int) -> Tensor:
    """For each sample which columns belong to its task: bool, shape (batch, width)."""
    return _table(tuple(sorted(task.by_label.items())), width, label.device)[label]


@lru_cache(maxsize=256)
def _table(by_label: tuple[tuple[int, tuple[int, ...]], ...], width: int, device: torch.device) -> Tensor:
    mask = torch.zeros(by_label[-1][0] + 1, width, dtype=torch.bool)
    for number, classes in by_label:
        mask[number, list(classes)] = True
    return mask.to(device)


@lru_cache(maxsize=256)
def member(classes: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """Which of ``width`` columns are among ``classes``: bool, shape (width,)."""
    mask = torch.zeros(width, dtype=torch.bool)
    mask[list(classes)] = True
    return mask.to(device)
