"""PASS's prototypes: each old class is remembered as one point in feature space, with noise around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.types import Wants
from lifelong_kd.memory.exemplars import described
from lifelong_kd.model.network import Network
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.rotation import RotatedClasses
from lifelong_kd.strategy.term import Term

__all__ = ["Prototypes"]


class Prototypes(Term):
    """Cross-entropy of noisy prototypes of old classes, as many as new samples.

    A prototype is the mean of a class's features at the end of its task; a draw is that of a random old
    class plus ``radius`` times standard normal noise. The radius is measured once, at the end of the first
    task: the root of the mean over its classes of the mean variance of a feature (Zhu et al. 2021,
    section 3).

    Args:
        classes: the classifier whose loss is taken.
        weight: when and how much: a schedule, a number or a list.
    """

    wants = Wants(features=True)
    one_student = True

    def __init__(self, classes: RotatedClasses, *, weight: object) -> None:
        super().__init__("new", weight)
        self._classes = classes
        self.means: Tensor | None = None
        self.y: Tensor | None = None
        self.radius = 0.0

    def value(self, lesson: Lesson) -> Tensor | None:
        model = lesson.model
        if self.means is None or self.y is None or not isinstance(model, Network):
            return None
        generator = self._classes.stage.seeds.generator("prototypes")
        features = lesson.student("new").features
        if features is None:
            return None
        chosen = torch.randint(len(self.y), (len(features),), generator=generator)
        noise = torch.randn(len(features), features.shape[1], generator=generator)
        points = (self.means[chosen] + self.radius * noise).to(features)
        y = self.y[chosen].to(features.device)
        return self._classes.loss(model.head(points), points, y, torch.zeros_like(y), lesson.task)

    def end_task(self, stage: Stage) -> None:
        means, spreads = [], []
        for column in stage.task.new:
            rows = (stage.data.targets == column).nonzero().squeeze(1)
            features = described(stage.data, rows, stage.describe)[1].cpu()
            means.append(features.mean(dim=0))
            spreads.append(features.var(dim=0).mean())
        if self.means is None or self.y is None:
            self.radius = float(torch.stack(spreads).mean().sqrt())
            self.means, self.y = torch.stack(means), torch.tensor(stage.task.new)
        else:
            self.means = torch.cat([self.means, torch.stack(means)])
            self.y = torch.cat([self.y, torch.tensor(stage.task.new)])

    def state_dict(self) -> dict[str, Any]:
        return {"means": self.means, "y": self.y, "radius": self.radius}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.means, self.y = (
            None if state[name] is None else state[name].cpu().clone() for name in ("means", "y")
        )
        self.radius = float(state["radius"])
