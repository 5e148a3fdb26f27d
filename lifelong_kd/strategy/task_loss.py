"""The loss of the task itself, and over which classes it is taken."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.strategy.columns import member, pick, within

__all__ = ["Classes", "TaskLoss"]

Classes = Literal["all", "seen", "new"]
"""Which classes compete: every column of the head, those met so far, or those of the current task alone."""


class TaskLoss:
    """The loss of labelled samples, taken over ``all``, ``seen`` or ``new`` classes.

    ``kind="ce"``: cross-entropy, mean over the samples. ``kind="bce"``: binary cross-entropy of sigmoid outputs against
    the one-hot label, summed over the classes, mean over the samples; a sample of a class outside the set has target 0
    everywhere in it.

    In class-incremental learning without a memory this choice decides most of the result: over ``all`` classes each
    step pushes the old classes' logits down, over ``new`` it leaves them alone. In a task-incremental stream only the
    classes of a sample's own task compete, whatever the choice.

    Args:
        over: which classes compete.
        kind: ``ce`` or ``bce``.
    """

    def __init__(self, over: Classes = "all", kind: Literal["ce", "bce"] = "ce") -> None:
        if over not in ("all", "seen", "new"):
            raise BadCall(f"the task loss is taken over 'all', 'seen' or 'new' classes, not {over!r}")
        if kind not in ("ce", "bce"):
            raise BadCall(f"the task loss is 'ce' or 'bce', not {kind!r}")
        self.over = over
        self.kind = kind

    def is_plain(self, task: Task, *, own_heads: bool = False) -> bool:
        """Whether this is the ordinary cross-entropy over every column that the model shows.

        Args:
            task: the current task.
            own_heads: whether the model shows each sample the columns of its own task only.
        """
        return self.kind == "ce" and self.over == "all" and (task.scenario != "task" or own_heads)

    def __call__(
        self, logits: Tensor, y: Tensor, label: Tensor, task: Task, *, rehearsed: bool = False
    ) -> Tensor:
        """The mean loss of a batch.

        Args:
            logits: shape (batch, columns).
            y: classes, int64, shape (batch,).
            label: task labels, int64, shape (batch,).
            task: the current task.
            rehearsed: whether the samples come from a memory; ``new`` then means ``seen``, as they are of old classes.
        """
        width = logits.shape[1]
        over = "seen" if rehearsed and self.over == "new" else self.over
        if task.scenario == "task":
            return self._masked(logits, y, within(label, task, width))
        classes = {"all": tuple(range(width)), "seen": task.seen, "new": tuple(sorted(task.new))}[over]
        if self.kind == "bce":
            target = F.one_hot(y, width).to(logits.dtype)
            return self._bce(pick(logits, classes), pick(target, classes))
        first = classes[0]
        if classes == tuple(range(first, classes[-1] + 1)):
            return F.cross_entropy(pick(logits, classes), y - first if first else y)
        mask = member(classes, width, logits.device)
        return self._masked(logits, y, mask.expand(len(logits), -1))

    def _masked(self, logits: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        if self.kind == "bce":
            target = F.one_hot(y, logits.shape[1]).to(logits.dtype)
            losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
            return (losses * mask).sum(dim=1).mean()
        return F.cross_entropy(logits.masked_fill(~mask, -torch.inf), y)

    @staticmethod
    def _bce(logits: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1).mean()
