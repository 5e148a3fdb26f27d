"""The model as it was after the previous task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lifelong_kd.core.types import Batch, Task
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.teacher.base import Forward, Logits, Rebuild, Teacher
from lifelong_kd.teacher.cache import OutputCache

__all__ = ["Snapshot"]


class Snapshot(Teacher):
    """The student as it was at the end of the previous task, frozen, in evaluation mode (Li & Hoiem 2016).

    One deep copy a task; parameters and buffers, BatchNorm statistics included, stay bitwise what they were.
    ``module`` is the frozen network, ``None`` during the first task.
    """

    def __init__(self) -> None:
        self.module: nn.Module | None = None
        self.task_index = -1
        self.cache: OutputCache | None = None
        self.checking = False
        self._forward: Forward | None = None
        self._device = torch.device("cpu")

    @property
    def ready(self) -> bool:
        return self.module is not None

    def begin(self, forward: Forward, device: torch.device) -> None:
        self._forward = forward
        self._device = device

    def observe(self, model: nn.Module, task: Task) -> None:
        self.module = frozen_copy(model)
        self.task_index = task.index
        self.cache = None

    def teach(self, batch: Batch) -> Logits:
        cached = self.cache
        if cached is not None and batch.index is not None and not self.checking:
            return cached.get(batch.index)
        fresh = self.ask(batch)
        if cached is not None and batch.index is not None and isinstance(fresh, torch.Tensor):
            cached.check(batch.index, fresh)
        return fresh

    @torch.no_grad()
    def ask(self, batch: Batch) -> Logits:
        """The frozen network's own answer, never a cached one."""
        if self.module is None or self._forward is None:
            raise RuntimeError("a snapshot teaches from the second task on")
        return self._forward(self.module, batch.x, batch.label)

    def state_dict(self) -> dict[str, Any]:
        if self.module is None:
            return {"task": -1}
        return {"task": self.task_index, "weights": dict(self.module.state_dict())}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        self.cache = None
        self.task_index = int(state["task"])
        self.module = None
        if self.task_index >= 0:
            self.module = frozen_copy(rebuild(self.task_index)).to(self._device)
            self.module.load_state_dict(state["weights"])
