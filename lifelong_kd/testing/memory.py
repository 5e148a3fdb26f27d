"""What every memory promises."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch, Task
from lifelong_kd.memory.base import Memory
from lifelong_kd.testing.expect import expect

__all__ = ["check_memory"]


class _Data:
    """Two dimensions; the sample's first number is its position."""

    def __init__(self, classes: tuple[int, ...], each: int) -> None:
        self.targets = torch.tensor([column for column in classes for _ in range(each)])
        self.left_out = 0
        self.labels = torch.zeros_like(self.targets)

    def raw(self, index: Tensor) -> Tensor:
        return torch.stack([index.float(), self.targets[index].float()], dim=1)

    def raw_left_out(self, index: Tensor) -> Tensor:
        return self.raw(index[:0])

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw


def _describe(raw: Tensor) -> tuple[Tensor, Tensor]:
    return raw[:, :1].expand(-1, 6), raw


def check_memory(make: Callable[[], Memory], *, budget: int) -> None:
    """Check that a memory keeps to its budget, keeps samples whole, draws without repeats and survives a restart.

    Samples also have to be found again by their ``slot``, and a field overwritten there to be what is drawn next.

    Args:
        make: makes a fresh memory.
        budget: the most samples it may hold after six classes.

    Raises:
        AssertionError: saying which promise is broken.
    """
    memory = make()
    memory.keep_logits = True
    name = type(memory).__name__
    expect(len(memory) == 0, f"a fresh {name} is not empty")
    history: tuple[tuple[int, ...], ...] = ()
    generator = torch.Generator().manual_seed(0)
    for number, classes in enumerate([(0, 1), (2, 3), (4, 5)]):
        _learn(memory, Task(number, "class", classes, history), generator)
        history = (*history, classes)
        expect(
            0 < len(memory) <= budget,
            f"{name} holds {len(memory)} samples after task {number}; allowed: {budget}",
        )
    samples = memory.draw(len(memory), torch.Generator().manual_seed(1))
    expect(
        {"raw", "y", "label", "logits"} <= set(samples),
        f"{name} draws {sorted(samples)}, without raw, y, label or logits",
    )
    expect((samples["raw"][:, 1] == samples["y"]).all(), f"{name} has mixed up samples and classes")
    same = samples["logits"][:, 0] == samples["raw"][:, 0]
    expect(same.all(), f"{name} has mixed up samples and their logits")
    expect(
        set(samples["y"].tolist()) == set(range(6)),
        f"{name} has forgotten a class altogether: {samples['y'].unique()}",
    )
    few = memory.draw(3, torch.Generator().manual_seed(2))
    rows = {tuple(row) for row in few["raw"].tolist()}
    expect(len(few["y"]) == 3 and len(rows) == 3, f"{name} repeats samples in one draw")
    _check_slots(memory, name)
    _check_restart(make, memory, name, history)


def _check_slots(memory: Memory, name: str) -> None:
    drawn = memory.draw(4, torch.Generator().manual_seed(5))
    slots = drawn["slot"]
    again = memory.take(slots)
    for field, values in drawn.items():
        same = values.equal(again[field]) or (values == again[field]).logical_or(values.isnan()).all()
        expect(bool(same), f"{name} has another {field!r} in the slot that it drew it from")
    expect("slot" not in memory.samples, f"{name} stores the slots as if they were data")
    before = memory.take(torch.arange(len(memory)))["logits"]
    values = torch.full((len(slots), before.shape[1]), 7.0)
    memory.rewrite(slots, "logits", values)
    expect(memory.take(slots)["logits"].equal(values), f"{name} has not taken the logits that were rewritten")
    others = torch.ones(len(memory), dtype=torch.bool)
    others[slots] = False
    now = memory.take(torch.arange(len(memory)))["logits"]
    kept = torch.equal(now[others].nan_to_num(), before[others].nan_to_num())
    expect(kept, f"{name} has changed rows that were not rewritten")
    memory.rewrite(slots, "logits", drawn["logits"])


def _learn(memory: Memory, task: Task, generator: torch.Generator) -> None:
    data = _Data(task.new, 60)
    for index in torch.randperm(120, generator=generator).split(10):
        raw = data.raw(index)
        batch = Batch(x=raw, y=data.targets[index], label=data.labels[index], raw=raw)
        memory.observe(batch, _describe(raw)[0], generator)
    memory.consolidate(task, data, _describe, generator)


def _check_restart(
    make: Callable[[], Memory], memory: Memory, name: str, history: tuple[tuple[int, ...], ...]
) -> None:
    again = make()
    again.keep_logits = True
    again.load_state_dict(copy.deepcopy(memory.state_dict()), torch.device("cpu"))
    for one in (memory, again):
        _learn(one, Task(3, "class", (6, 7), history), torch.Generator().manual_seed(3))
    left, right = (one.draw(len(one), torch.Generator().manual_seed(4)) for one in (memory, again))
    expect(
        all(torch.equal(left[field], right[field]) for field in left),
        f"{name} goes on differently after state_dict and load_state_dict",
    )
