"""Nearest mean of exemplars: classify by the closest class mean in feature space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.memory.base import Describe, Memory

__all__ = ["NearestMean"]

AT_ONCE = 1024
"""Exemplars passed through the student at a time."""


class NearestMean:
    """``y* = argmin_y || phi(x) - mu_y ||`` with normalised features and means (iCaRL, algorithm 1).

    ``mu_y`` is the normalised mean of the normalised features of class y's exemplars, under the current student. The
    score of a class is the negative squared distance, of a class without exemplars minus infinity.
    """

    def __init__(self) -> None:
        self.means: Tensor | None = None
        self.classes: Tensor | None = None

    @property
    def ready(self) -> bool:
        """Whether there are means yet."""
        return self.means is not None

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

    def scores(self, features: Tensor, width: int) -> Tensor:
        """Scores of shape (batch, width) from features of shape (batch, dimensions)."""
        if self.means is None or self.classes is None:
            raise RuntimeError("there are no class means before the end of the first task")
        distance = torch.cdist(F.normalize(features.float(), dim=1), self.means).square()
        scores = features.new_full((len(features), width), -torch.inf, dtype=torch.float32)
        scores[:, self.classes.to(scores.device)] = -distance
        return scores

    def state_dict(self) -> dict[str, Any]:
        return {"means": self.means, "classes": self.classes}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        means, classes = state["means"], state["classes"]
        self.means = means.to(device) if means is not None else None
        self.classes = classes.to(device) if classes is not None else None
