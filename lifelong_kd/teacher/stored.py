"""The logits that a memory has kept."""

from __future__ import annotations

from lifelong_kd.core.types import LOGITS, Batch, Said, Wants
from lifelong_kd.teacher.base import Teacher

__all__ = ["Stored"]


class Stored(Teacher):
    """The student's own logits at the moment a sample entered the memory (dark experience, Buzzega et al. 2020).

    No network: each sample has a teacher of its own, a past self. Columns the student did not have then are NaN.
    """

    needs_fields: frozenset[str] = frozenset({"logits"})
    sources: frozenset[str] = frozenset({"memory", "memory2"})

    @property
    def ready(self) -> bool:
        return True

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        return Said(batch.fields["logits"])
