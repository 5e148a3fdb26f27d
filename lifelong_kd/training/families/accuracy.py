"""The accuracy of some answers, read as the stream's scenario says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifelong_kd.training.families.base import Look
from lifelong_kd.training.reading import own, predicted

if TYPE_CHECKING:
    from lifelong_kd.training.ask import Answers

__all__ = ["accuracy_on"]


def accuracy_on(look: Look, task: int, answers: Answers) -> float | None:
    """The share of a task's samples that are answered rightly; ``None`` without samples."""
    if not len(answers):
        return None
    logits = own(answers.logits, look.stream.tasks[task].classes, look.stream.scenario)
    return float((predicted(logits) == answers.targets).double().mean())
