"""Which classes compete in a phase, and which are met for the first time."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.types import Task

__all__ = ["Over", "first_met", "groups", "label_loss"]

Over = Literal["new", "seen", "all"]
"""The classes of the current task, those met so far, or every column of the head."""


def first_met(task: Task) -> tuple[int, ...]:
    """The classes of ``task`` that no earlier task had, sorted; none in a domain-incremental stream after its start.

    >>> first_met(Task(1, "class", (5, 2), history=((2, 7),)))
    (5,)
    """
    return tuple(sorted(set(task.new) - set(task.old)))


def groups(task: Task) -> list[tuple[int, ...]]:
    """The classes of each task so far, the current one included, sorted; the same classes once.

    >>> groups(Task(1, "class", (5, 2), history=((3, 7),)))
    [(3, 7), (2, 5)]
    """
    return list(dict.fromkeys(tuple(sorted(group)) for group in (*task.history, task.new) if group))


def label_loss(logits: Tensor, y: Tensor, label: Tensor, task: Task, over: Over) -> Tensor:
    """Cross-entropy over some of the classes, mean over the samples; the other columns get a gradient of exactly 0.

    In a task-incremental stream the classes of each sample's own task compete, whatever ``over`` says.

    Args:
        logits: shape (batch, columns).
        y: classes, int64, shape (batch,).
        label: task labels, int64, shape (batch,).
        task: the current task.
        over: which classes compete.
    """
    mask = torch.zeros(logits.shape[1], dtype=torch.bool)
    if task.scenario == "task":
        table = mask.repeat(max(task.by_label) + 1, 1)
        for number, classes in task.by_label.items():
            table[number, list(classes)] = True
        mask = table.to(label.device)[label]
    else:
        classes = {"new": task.new, "seen": task.seen, "all": tuple(range(len(mask)))}[over]
        mask[list(classes)] = True
    return F.cross_entropy(logits.masked_fill(~mask.to(logits.device), -torch.inf), y)
