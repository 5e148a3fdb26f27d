"""Nearest mean of exemplars: classify by the closest class mean in feature space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.memory.base import Describe, Memory
from lifelong_kd.phase.base import Stage
from lifelong_kd.teacher.base import Rebuild

__all__ = ["NearestMean"]

AT_ONCE = 1024
"""Exemplars passed through the student at a time."""


class NearestMean(Correction):
    """``y* = argmin_y || phi(x) - mu_y ||`` with normalised features and means (iCaRL, algorithm 1).

    ``mu_y`` is the normalised mean of the normalised features of class y's exemplars, under the current
    student. The score of a class is the negative squared distance, of a class without exemplars minus
    infinity.
    """

    needs_memory: ClassVar[bool] = True

    def __init__(self) -> None:
        self._device = torch.device("cpu")
        self.means: Tensor | None = None
        self.classes: Tensor | None = None

    @property
    def ready(self) -> bool:
        """Whether there are means yet."""
        return self.means is not None

    def begin(self, device: torch.device) -> None:
        self._device = device

    def fit(self, stage: Stage) -> None:
        if stage.memory is None:
            raise BadCall("the nearest-mean classifier needs a memory of exemplars")
        self.update(stage.memory, stage.describe)

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        return self.distances(asked.features(), logits.shape[1])

    def update(self, memory: Memory, describe: Describe) -> None:
        """Compute the means from the exemplars in ``memory``; from an empty one there is nothing to compute."""
        if len(memory) == 0:
            return
        # Not memory.samples: the table of a reservoir may have rows that are not filled yet.
        kept = memory.take(torch.arange(len(memory)))
        raw, y = kept["raw"], kept["y"]
        features = torch.cat([describe(part)[1] for part in raw.split(AT_ONCE)])
        features = F.normalize(features.float(), dim=1)
        self.classes = torch.unique(y)
        means = [features[y.to(features.device) == column].mean(dim=0) for column in self.classes.tolist()]
        self.means = F.normalize(torch.stack(means), dim=1)

    def distances(self, features: Tensor, width: int) -> Tensor:
        """Scores of shape (batch, width) from features of shape (batch, dimensions)."""
        if self.means is None or self.classes is None:
            raise RuntimeError("there are no class means before the end of the first task")
        distance = torch.cdist(F.normalize(features.float(), dim=1), self.means).square()
        scores = features.new_full((len(features), width), -torch.inf, dtype=torch.float32)
        scores[:, self.classes.to(scores.device)] = -distance
        return scores

    def state_dict(self) -> dict[str, Any]:
        return {"means": self.means, "classes": self.classes}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        device = self._device
        means, classes = state["means"], state["classes"]
        self.means = means.to(device) if means is not None else None
        self.classes = classes.to(device) if classes is not None else None
