"""A previous model that has learned to tell bright upper from bright lower halves, and data of a later task."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import LOGITS, Said, Task, Wants
from lifelong_kd.model.build import build_network
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside
from lifelong_kd.teacher.snapshot import Snapshot

FIRST = Task(0, "class", (0, 1), (), {0: (0, 1)})
SECOND = Task(1, "class", (2, 3), ((0, 1),), {0: (0, 1, 2, 3)})


class Pixels:
    """Images (1, 6, 6) of two classes, or the same as floating point rows of 36 numbers around 0."""

    def __init__(self, classes: tuple[int, ...], *, flat: bool = False, each: int = 20) -> None:
        rng = torch.Generator().manual_seed(classes[0])
        self.targets = torch.tensor(classes).repeat_interleave(each)
        self.labels = torch.zeros_like(self.targets)
        x = torch.randint(60, (len(self.targets), 1, 6, 6), generator=rng, dtype=torch.uint8)
        for row, column in enumerate(self.targets.tolist()):
            half = slice(0, 3) if column % 2 == 0 else slice(3, 6)
            x[row, 0, half] += 150
        self.x = x.flatten(1).float() / 127 - 1 if flat else x

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw.float() / 255 if raw.dtype == torch.uint8 else raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return self.plain(raw)


def forward(
    module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
) -> Said:
    with Hearing(module, wants, leaves=wants.gradients) as hearing:
        return hearing.said(module(x) if at is None else from_inside(module, x, at))


def snapshot(network: nn.Module) -> Snapshot:
    """A snapshot of ``network``."""
    teacher = Snapshot()
    teacher.begin(forward, torch.device("cpu"))
    teacher.observe(network, FIRST)
    return teacher


def learned_solver() -> Snapshot:
    """A convolutional network with BatchNorm that has learned the first task; made once, frozen anew."""
    return snapshot(_learned())


@cache
def _learned() -> nn.Module:
    data = Pixels((0, 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network((1, 6, 6), 4, model=("cnn", {"width": 4, "stages": 2}))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    network.train()
    for _ in range(40):
        optimizer.zero_grad()
        logits = network(data.plain(data.x))[:, :2]
        nn.functional.cross_entropy(logits, data.targets).backward()
        optimizer.step()
    return network.eval()


def no_batch_norm(*, flat: bool = False) -> Snapshot:
    """A perceptron that has learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return snapshot(build_network((36,) if flat else (1, 6, 6), 4, model=("mlp", {"hidden": [8]})))
