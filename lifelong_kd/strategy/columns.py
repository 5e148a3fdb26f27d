"""Which columns of the logits a loss looks at."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from lifelong_kd.core.types import Task

__all__ = ["Over", "groups", "label_of", "member", "padded", "pick", "within"]

Over = Literal["old", "new", "seen", "all", "per_task", "padded"]
"""Classes compared by a term: of earlier tasks, of this one, of both, all columns, or each earlier task alone.

``padded``: all classes seen, of which the teacher gives the new ones probability 0."""


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
    ``padded`` is the classes seen, as the student's side of :func:`padded`.
    """
    if over == "all":
        return [tuple(range(width))]
    if over == "new":
        return [task.new]
    if over == "per_task" or (task.scenario == "task" and over in ("old", "seen", "padded")):
        earlier = [*task.history, task.new] if over == "seen" else list(task.history)
        return list(dict.fromkeys(tuple(sorted(group)) for group in earlier if group))
    classes = task.old if over == "old" else task.seen
    return [classes] if classes else []


def padded(teacher: Tensor, old: tuple[int, ...], seen: tuple[int, ...]) -> Tensor:
    """The teacher's logits at the classes ``seen``, minus infinity where a class is not among ``old``.

    A softmax of them is zero-padded over the new classes, so that distillation pushes the student's new columns down
    while the task loss pulls them up: as in the code of van de Ven et al. (2022, doi:10.1038/s42256-022-00568-3).

    Args:
        teacher: logits of shape (batch, columns), with a column for each class of ``old``.
        old: classes that the teacher knows.
        seen: classes that are compared, in the order of the student's columns.

    Returns:
        Shape (batch, len(seen)).

    >>> padded(torch.tensor([[1.0, 2.0]]), (0, 1), (0, 1, 2))
    tensor([[1., 2., -inf]])
    """
    known = [place for place, column in enumerate(seen) if column in old]
    said = teacher.new_full((len(teacher), len(seen)), -torch.inf)
    said[:, known] = pick(teacher, tuple(seen[place] for place in known))
    return said


def label_of(y: Tensor, task: Task) -> Tensor:
    """The task label of each class seen, in a task stream: int64, shape (batch,); the current one where y is -1."""
    by_label = tuple(sorted(task.by_label.items()))
    return _labels(by_label, max(task.seen) + 1, task.label, y.device)[y]


@lru_cache(maxsize=256)
def _labels(
    by_label: tuple[tuple[int, tuple[int, ...]], ...], width: int, current: int, device: torch.device
) -> Tensor:
    # The last entry is that of -1.
    table = torch.full((width + 1,), current, dtype=torch.int64)
    for number, classes in by_label:
        table[list(classes)] = number
    return table.to(device)


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
