"""A generator that is small enough to be checked by hand: a Gaussian for each class, as wide as it was measured."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.generator.base import Generator, Made
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

Moments = dict[int, list[Tensor]]


class Gaussians(Generator):
    """Counts, sums and sums of squares of every new sample by class; draws from what it was when the last task ended.

    ``steps`` counts the calls of ``learn``; ``asks`` is whether it says of which class a sample is.
    """

    def __init__(self, *, asks: bool = True) -> None:
        super().__init__()
        self.asks = asks
        self.seen: Moments = {}
        self.frozen: Moments = {}
        self.steps = 0

    @property
    def ready(self) -> bool:
        return bool(self.frozen)

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        raw = as_float(new.raw)
        self.steps += 1
        for label in new.y.unique().tolist():
            mine = raw[new.y == label]
            zero = torch.zeros_like(mine[0])
            count, total, squares = self.seen.setdefault(label, [torch.zeros(()), zero, zero.clone()])
            self.seen[label] = [count + len(mine), total + mine.sum(0), squares + (mine**2).sum(0)]

    def end_task(self, task: Task, data: TaskData, model: torch.nn.Module) -> None:
        self.frozen = copy.deepcopy(self.seen)
        self.values = {"steps": float(self.steps)}

    def draw(self, count: int, generator: torch.Generator) -> Made:
        classes = torch.tensor(sorted(self.frozen))
        y = classes[torch.randint(len(classes), (count,), generator=generator)]
        mean, deviation = (torch.stack([self._moments(int(c))[i] for c in y]) for i in (0, 1))
        raw = mean + deviation * torch.randn(mean.shape, generator=generator)
        return Made(raw.clamp(0, 1), y if self.asks else None)

    def _moments(self, label: int) -> tuple[Tensor, Tensor]:
        count, total, squares = self.frozen[label]
        mean = total / count
        return mean, (squares / count - mean**2).clamp_min(0).sqrt()

    def score(self, raw: Tensor) -> float:
        """Mean squared distance of a sample to the nearest mean of a class."""
        means = torch.stack([self._moments(label)[0] for label in sorted(self.frozen)])
        distances = (as_float(raw)[:, None] - means[None]).flatten(2).pow(2).mean(2)
        return float(distances.min(1).values.mean())

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen, "frozen": self.frozen, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen, self.frozen, self.steps = dict(state["seen"]), dict(state["frozen"]), int(state["steps"])


def as_float(raw: Tensor) -> Tensor:
    return raw.float() / 255 if raw.dtype == torch.uint8 else raw.float()


def replaying(*, asks: bool = True) -> Strategy:
    """Fine-tuning, and the previous model's answers on samples of :class:`Gaussians`."""
    term = Distill(Snapshot(), Kd(), source="generated", over="padded")
    return Strategy(terms={"replay": term}, generator=Gaussians(asks=asks))
