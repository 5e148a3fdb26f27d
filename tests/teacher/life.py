"""Networks, batches and tasks for the teachers' tests."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.model.build import build_network
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside
from lifelong_kd.model.network import Network
from lifelong_kd.teacher.base import Teacher

CPU = torch.device("cpu")
FIRST = Task(index=0, scenario="class", new=(0, 1))
SECOND = Task(index=1, scenario="class", new=(2, 3), history=((0, 1),))
THIRD = Task(index=2, scenario="class", new=(4, 5), history=((0, 1), (2, 3)))


def network(seed: int = 0, *, grow: bool = False, classes: int = 0, head: str = "linear") -> Network:
    """Six columns, or of a growing head those of the first ``classes`` classes."""
    torch.manual_seed(seed)
    options = {"grow": grow} if head != "multihead" else {}
    made = build_network(
        (5,), 6, model=("mlp", {"hidden": [8, 6], "dropout": 0.5, "batch_norm": True}), head=(head, options)
    )
    for task in (FIRST, SECOND, THIRD)[: classes // 2]:
        made.grow(task.new, task.index if head == "multihead" else 0)
    return made


def call(module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None) -> Said:
    with Hearing(module, wants, leaves=wants.gradients) as hearing:
        return hearing.said(module(x) if at is None else from_inside(module, x, at))


def batch_of(x: Tensor, index: Tensor | None = None, y: Tensor | None = None) -> Batch:
    zeros = torch.zeros(len(x), dtype=torch.int64)
    return Batch(x=x, y=zeros if y is None else y, label=zeros, raw=x, index=index)


def inputs(seed: int, count: int = 16) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def saved(teacher: Teacher) -> Any:
    """The teacher's state, as a checkpoint gives it back."""
    file = io.BytesIO()
    torch.save(teacher.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def rebuilder(asked: list[int] | None = None) -> Callable[[int], nn.Module]:
    """Makes networks with a growing head as they were after a task, with other weights."""

    def rebuild(task: int) -> nn.Module:
        if asked is not None:
            asked.append(task)
        return network(99, grow=True, classes=2 * task + 2)

    return rebuild


class Says(Teacher):
    """A teacher that says what it was made with, if it was given anything."""

    def __init__(self, logits: Tensor | None, columns: tuple[int, ...] | None = None) -> None:
        self._logits = logits
        self._columns = columns

    @property
    def ready(self) -> bool:
        return self._logits is not None

    @property
    def columns(self) -> tuple[int, ...] | None:
        return self._columns

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        assert self._logits is not None
        return Said(self._logits)
