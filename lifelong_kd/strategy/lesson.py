"""One training step, as the terms of a strategy see it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn

from lifelong_kd.core.types import LOGITS, Batch, Moment, Said, Task, Wants
from lifelong_kd.teacher.base import Teacher

__all__ = ["Lesson", "Source", "View"]

Source = Literal["new", "memory", "memory2", "external", "generated"]
"""On what data a term works: the new batch, a draw from memory, a second, independent draw, unlabelled data, or samples
that a generator makes of earlier tasks."""

View = Literal["same", "raw", "both"]
"""Which view student and teacher see: the same augmented one, the samples without augmentation, or one after the other.

Never a view each: a teacher that sees another picture than its student teaches about something else (Beyer et al. 2021,
arXiv 2106.05237)."""


class Lesson:
    """The new batch and what the student said about it; other batches are drawn when a term first asks for one.

    Each source is drawn and passed through the student once a step, however many terms use it, and not at all if none
    does; a teacher is asked once about each.

    Args:
        task: the current task.
        moment: what the schedules are asked about.
        new: the new batch.
        said: what the student said about it; ``hear`` takes it later if it is not known yet.
        draw: draws a batch; ``None`` while there is nothing to draw from.
        plain: a batch without augmentation.
        forward: what the student says about a batch.
        heads: the student's logits of a batch under each earlier task label, of a model with a head for each.
        model: the student.
        wants: for each source what the student is asked besides its logits.
        asked: for each teacher what it is asked besides its logits.
    """

    def __init__(
        self,
        *,
        task: Task,
        moment: Moment,
        new: Batch,
        said: Said | None,
        draw: Callable[[Source], Batch | None],
        plain: Callable[[Batch], Batch],
        forward: Callable[[Batch, Wants], Said],
        heads: Callable[[Batch], dict[int, Tensor]],
        model: nn.Module,
        wants: Mapping[str, Wants],
        asked: Mapping[int, Wants],
    ) -> None:
        self.task = task
        self.moment = moment
        self.model = model
        self._draw = draw
        self._plain = plain
        self._forward = forward
        self._heads = heads
        self._wants = wants
        self._asked = asked
        self._batches: dict[tuple[str, str], Batch | None] = {("new", "same"): new}
        self._said: dict[tuple[str, str], Said] = {} if said is None else {("new", "same"): said}
        self._by_head: dict[str, dict[int, Tensor]] = {}
        self._taught: dict[tuple[int, str, str], Said] = {}

    def batch(self, source: Source, view: View = "same") -> Batch | None:
        """The batch of ``source``; ``None`` while there is nothing to draw from."""
        key = (source, view)
        if key not in self._batches:
            drawn = self._draw(source) if view == "same" else self.batch(source)
            self._batches[key] = self._plain(drawn) if view == "raw" and drawn is not None else drawn
        return self._batches[key]

    def wants(self, source: Source) -> Wants:
        """What the student is asked about the batch of ``source`` besides its logits."""
        return self._wants.get(source, LOGITS)

    def student(self, source: Source, view: View = "same") -> Said:
        """What the student says about the batch of ``source``."""
        key = (source, view)
        if key not in self._said:
            self._said[key] = self._forward(self._batch(source, view), self.wants(source))
        return self._said[key]

    def hear(self, source: Source, said: Said) -> None:
        """Take what the student has said about the batch of ``source`` in a pass that covered several sources."""
        self._said[source, "same"] = said

    def again(self) -> Lesson:
        """The same batches and teachers, and a student that has said nothing yet: it has made a step since."""
        lesson = copy.copy(self)
        lesson._said, lesson._by_head = {}, {}
        return lesson

    def heads(self, source: Source) -> dict[int, Tensor]:
        """What each earlier head of the student says about the batch of ``source``, by task label."""
        if source not in self._by_head:
            self._by_head[source] = self._heads(self._batch(source, "same"))
        return self._by_head[source]

    def taught(self, teacher: Teacher, source: Source, view: View = "same") -> Said:
        """What ``teacher`` says about the batch of ``source``."""
        key = (id(teacher), source, view)
        if key not in self._taught:
            wants = self._asked.get(id(teacher), LOGITS)
            self._taught[key] = teacher.teach(self._batch(source, view), wants)
        return self._taught[key]

    def taught_of(self, teacher: Teacher, source: Source, batch: Batch) -> Said:
        """What ``teacher`` says about a batch that is about to be that of ``source``; it is not asked again."""
        said = teacher.teach(batch, self._asked.get(id(teacher), LOGITS))
        self._taught[id(teacher), source, "same"] = said
        return said

    def _batch(self, source: Source, view: View) -> Batch:
        batch = self.batch(source, view)
        if batch is None:
            raise RuntimeError(f"there is no batch from {source!r} to ask the student about")
        return batch
