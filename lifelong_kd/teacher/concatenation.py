"""One teacher for the old classes, another for the new ones."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.composite import Composite

__all__ = ["Concatenation"]


class Concatenation(Composite):
    """Old classes as one teacher says them beside new classes as another does (Zhang et al. 2020, arXiv 1903.07864).

    ``z = [z_old[old classes], z_new[new classes]]``, shape (batch, classes seen). Centred, each part is moved to mean 0
    over its own classes, since two networks trained apart have logits of different offsets: Deep Model Consolidation's
    normalised logits (equation 4), the target of its double distillation. Its port in FACIL subtracts the mean of each
    class over the batch instead, which makes a target depend on the other samples.

    Silent in the first task, where there is nothing old.

    Args:
        old: who says the old classes, such as a snapshot.
        new: who says the new ones, such as an expert.
        center: whether each part's mean over its classes is subtracted.

    Raises:
        BadCall: if a member is no teacher; in a stream whose tasks share classes; if a member lacks columns.

    Example:
        >>> from lifelong_kd.teacher.expert import Expert
        >>> from lifelong_kd.teacher.snapshot import Snapshot
        >>> Concatenation(old=Snapshot(), new=Expert(), center=True).ready
        False
    """

    def __init__(
        self,
        *,
        old: Annotated[object, Component("teacher")],
        new: Annotated[object, Component("teacher")],
        center: bool = False,
    ) -> None:
        super().__init__([old, new])
        self.center = center
        self._task: Task | None = None

    @property
    def columns(self) -> tuple[int, ...] | None:
        return self._task.seen if self._task is not None else None

    @property
    def ready(self) -> bool:
        return self._task is not None and bool(self._task.old) and super().ready

    def begin_task(self, task: Task) -> None:
        shared = sorted(set(task.old) & set(task.new))
        if shared:
            raise BadCall(
                f"Concatenation takes each class from one of two teachers, but task {task.index} has classes of earlier"
                f" tasks again ({', '.join(map(str, shared[:5]))}{', ...' if len(shared) > 5 else ''}); use an ensemble"
            )
        self._task = task

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        if self._task is None:
            raise RuntimeError("Concatenation was asked before a task had begun")
        old, new = self.members
        parts = [
            self._part(old, batch, self._task.old),
            self._part(new, batch, self._task.new),
        ]
        logits = parts[0].new_full((len(batch), max(self._task.seen) + 1), torch.nan)
        for classes, part in zip((self._task.old, self._task.new), parts, strict=True):
            logits[:, list(classes)] = part
        return self.said(logits)

    def _part(self, member: Teacher, batch: Batch, classes: tuple[int, ...]) -> Tensor:
        logits, known = self.logits(member, batch), member.columns
        if max(classes) >= logits.shape[1]:
            raise BadCall(
                f"a member of Concatenation says {logits.shape[1]} columns, but class {max(classes)} was asked of it"
            )
        lost = sorted(set(classes) - set(known)) if known is not None else []
        if lost:
            raise BadCall(
                f"the member {type(member).__name__} of Concatenation does not know class {lost[0]}"
            )
        part = logits[:, list(classes)]
        return part - part.mean(dim=1, keepdim=True) if self.center else part
