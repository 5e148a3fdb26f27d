"""One training step, as the terms of a strategy see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from lifelong_kd.core.types import Batch, Moment, Task
from lifelong_kd.teacher.base import Logits, Teacher

__all__ = ["Lesson", "Source"]

Source = Literal["new", "memory", "memory2"]
"""On what data a term works: the new batch, a draw from memory, or a second, independent draw."""


class Lesson:
    """The new batch and what the student said about it; memory batches are drawn when a term first asks for one.

    Each source is drawn and passed through the student once a step, however many terms use it, and not at all if none
    does; a teacher is asked once about each.

    Args:
        task: the current task.
        moment: what the schedules are asked about.
        new: the new batch.
        logits: what the student said about it, shape (batch, columns); ``hear`` takes it later if it is not known yet.
        draw: draws a batch from memory; ``None`` while it is empty.
        forward: the student's logits of a batch.
        heads: the student's logits of a batch under each earlier task label, of a model with a head for each.
    """

    def __init__(
        self,
        *,
        task: Task,
        moment: Moment,
        new: Batch,
        logits: Tensor | None,
        draw: Callable[[Source], Batch | None],
        forward: Callable[[Batch], Tensor],
        heads: Callable[[Batch], dict[int, Tensor]],
    ) -> None:
        self.task = task
        self.moment = moment
        self._draw = draw
        self._forward = forward
        self._heads = heads
        self._batches: dict[str, Batch | None] = {"new": new}
        self._logits: dict[str, Tensor] = {} if logits is None else {"new": logits}
        self._by_head: dict[str, dict[int, Tensor]] = {}
        self._taught: dict[tuple[int, str], Logits] = {}

    def batch(self, source: Source) -> Batch | None:
        """The batch of ``source``; ``None`` while the memory is empty."""
        if source not in self._batches:
            self._batches[source] = self._draw(source)
        return self._batches[source]

    def student(self, source: Source) -> Tensor:
        """What the student says about the batch of ``source``, shape (batch, columns)."""
        if source not in self._logits:
            self._logits[source] = self._forward(self._batch(source))
        return self._logits[source]

    def hear(self, source: Source, logits: Tensor) -> None:
        """Take what the student has said about the batch of ``source`` in a pass that covered several sources."""
        self._logits[source] = logits

    def heads(self, source: Source) -> dict[int, Tensor]:
        """What each earlier head of the student says about the batch of ``source``, by task label."""
        if source not in self._by_head:
            self._by_head[source] = self._heads(self._batch(source))
        return self._by_head[source]

    def taught(self, teacher: Teacher, source: Source) -> Logits:
        """What ``teacher`` says about the batch of ``source``."""
        key = (id(teacher), source)
        if key not in self._taught:
            self._taught[key] = teacher.teach(self._batch(source))
        return self._taught[key]

    def _batch(self, source: Source) -> Batch:
        batch = self.batch(source)
        if batch is None:
            raise RuntimeError(f"there is no batch from {source!r} to ask the student about")
        return batch
