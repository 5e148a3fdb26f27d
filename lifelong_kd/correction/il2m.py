"""Old classes get back the scores that they had when they were learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.memory.exemplars import described
from lifelong_kd.phase.base import Stage
from lifelong_kd.phase.classes import first_met
from lifelong_kd.teacher.base import Rebuild

__all__ = ["Il2m"]

AT_ONCE = 1024
"""Samples passed through the student at a time."""


class Il2m(Correction):
    """Score rectification (IL2M): where a new class would be predicted, old classes' scores regain their first size.

    ``p'_i = p_i * mu_P(i) / mu_N(i) * mu(M_N) / mu(M_P)`` for each old class i if the largest score is a new
    class's, ``p'_i = p_i`` otherwise. ``mu_P(i)`` is the mean score of class i over its training samples in
    the task P that brought it, ``mu_N(i)`` that over its exemplars under the current student, ``mu(M)`` the
    mean of the largest score over a task's training samples. Nothing of the training is changed.

    A class whose statistics are not all above 0, or that has no exemplar, is left as it is. In a
    domain-incremental stream no later task brings classes, and in a task-incremental one classes of different
    tasks never compete: there nothing is rectified.

    Paper: Belouadah & Popescu 2019, "IL2M: Class Incremental Learning With Dual Memory", ICCV, equation 1.

    Args:
        of: what a score is: ``logits``, as in the code of the authors and of FACIL, or ``probabilities``, a
            softmax over the classes seen, whose rectified values are given as logarithms.

    Raises:
        BadCall: for other scores.

    Example:
        >>> Il2m().needs_memory
        True
    """

    needs_memory: ClassVar[bool] = True

    def __init__(self, *, of: Literal["logits", "probabilities"] = "logits") -> None:
        if of not in ("logits", "probabilities"):
            raise BadCall(f"a score is one of 'logits' or 'probabilities', not {of!r}")
        self.of = of
        self.first: dict[int, float] = {}
        self.task_of: dict[int, int] = {}
        self.confidence: dict[int, float] = {}
        self.ratio: dict[int, float] = {}
        self.new: tuple[int, ...] = ()

    @property
    def ready(self) -> bool:
        return bool(self.new)

    def fit(self, stage: Stage) -> None:
        task, memory = stage.task, stage.memory
        self.new, self.ratio = (), {}
        if task.scenario == "task" or memory is None or not first_met(task):
            return
        y = stage.data.targets
        logits, _ = described(stage.data, torch.arange(len(y)), stage.describe)
        scores = self._scores(logits, task.seen)
        confidence = float(scores[:, list(task.seen)].max(dim=1).values.mean())
        self.confidence[task.index] = confidence
        for column, value in _means(scores, y).items():
            if column not in self.first:
                self.first[column], self.task_of[column] = value, task.index
        if len(memory) and task.old:
            kept = memory.take(torch.arange(len(memory)))
            logits = torch.cat([stage.describe(part)[0] for part in kept["raw"].split(AT_ONCE)])
            now = _means(self._scores(logits, task.seen), kept["y"])
            for column in sorted(set(task.old) & set(now) & set(self.first)):
                parts = self.first[column], now[column], confidence, self.confidence[self.task_of[column]]
                if min(parts) > 0:
                    self.ratio[column] = parts[0] / parts[1] * parts[2] / parts[3]
        self.new = first_met(task)

    def _scores(self, logits: Tensor, seen: tuple[int, ...]) -> Tensor:
        if self.of == "logits":
            return logits
        scores = torch.zeros_like(logits)
        scores[:, list(seen)] = F.softmax(logits[:, list(seen)], dim=1)
        return scores

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        if not self.ratio:
            return logits
        columns, ratios = list(self.ratio), logits.new_tensor(list(self.ratio.values()))
        seen = list(asked.task.seen)
        rectified = logits.clone()
        if self.of == "logits":
            rectified[:, columns] *= ratios
        else:
            probable = F.log_softmax(logits[:, seen], dim=1)
            logits = torch.full_like(logits, -torch.inf)
            logits[:, seen] = probable
            rectified = logits.clone()
            rectified[:, columns] += ratios.log()
        predicted = torch.tensor(seen, device=logits.device)[logits[:, seen].argmax(dim=1)]
        is_new = torch.isin(predicted, torch.tensor(self.new, device=logits.device))
        return torch.where(is_new[:, None], rectified, logits)

    def state_dict(self) -> dict[str, Any]:
        return {
            "first": dict(self.first),
            "task_of": dict(self.task_of),
            "confidence": dict(self.confidence),
            "ratio": dict(self.ratio),
            "new": list(self.new),
        }

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        self.first = dict(state["first"])
        self.task_of = dict(state["task_of"])
        self.confidence = dict(state["confidence"])
        self.ratio = dict(state["ratio"])
        self.new = tuple(state["new"])


def _means(scores: Tensor, y: Tensor) -> dict[int, float]:
    """The mean score of each class over its own samples."""
    y = y.to(scores.device)
    return {column: float(scores[y == column, column].mean()) for column in y.unique().tolist()}
