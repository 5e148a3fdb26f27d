"""The student as its own autoencoder: what it must keep of its input to draw it again."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Wants
from lifelong_kd.generator.feedback import Feedback
from lifelong_kd.strategy.columns import padded
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.recall import own_classes
from lifelong_kd.strategy.term import Term
from lifelong_kd.teacher.base import Teacher

__all__ = ["Reconstruct"]


class Reconstruct(Term):
    """The negative evidence lower bound of the samples, by the student's features, divided by a sample's entries.

    ``mean over entries of -log p(x | z) + (log q(z | x) - log p(z)) / entries``, mean over the batch. The prior p(z)
    and the decoder's gates are those of a new sample's class; of a generated one those of all classes, mixed by the
    previous model's softened probabilities (van de Ven et al. 2020, doi:10.1038/s41467-020-17866-2, their code).

    Args:
        generator: holds everything behind the features, and learns beside the student.
        teacher: the previous model; asked about generated samples only.
        temperature: T of its probabilities.
        source: ``new`` or ``generated``.
        weight: when and how much: a schedule, a number or a list.
    """

    wants = Wants(features=True)

    one_student = True

    def __init__(
        self,
        generator: Feedback,
        teacher: Annotated[Teacher, Component("teacher")] | None = None,
        *,
        temperature: float = 2.0,
        source: Source = "new",
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__(source, weight)
        if source not in ("new", "generated"):
            raise BadCall(f"feedback is learned on 'new' and on 'generated' samples, not on {source!r}")
        if (source == "generated") == (teacher is None):
            raise BadCall("the previous model says of which class generated samples are, and only of those")
        self.generator = generator
        self.temperature = temperature
        self._teacher = teacher

    @property
    def teacher(self) -> Teacher | None:
        return self._teacher

    def value(self, lesson: Lesson) -> Tensor | None:
        batch = lesson.batch(self.source)
        if batch is None or (self._teacher is not None and not self._teacher.ready):
            return None
        features = lesson.student(self.source).features
        if features is None:
            raise RuntimeError("the network told no features")
        chances = self._log_chances(lesson) if self.source == "generated" else None
        replayed = self.source == "generated"
        return self.generator.losses(features, batch, replayed=replayed, log_chances=chances).mean()

    def _log_chances(self, lesson: Lesson) -> Tensor | None:
        """Logarithms of the previous model's softened probabilities of the prior's classes, -inf for new ones."""
        batch, task = lesson.batch(self.source), lesson.task
        if batch is None or self._teacher is None:
            return None
        logits = lesson.taught(self._teacher, self.source).logits
        if task.scenario == "task":
            logits = logits.masked_fill(~own_classes(batch.y, task, logits.shape[1]), -torch.inf)
        known = padded(logits, task.old, tuple(self.generator.back.prior.columns))
        return F.log_softmax(known / self.temperature, dim=1)
