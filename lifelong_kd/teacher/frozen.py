"""A teacher that is one frozen network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lifelong_kd.core.types import LOGITS, Batch, Said, Wants
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.teacher.base import EVERYTHING, Forward, Rebuild, Teacher

__all__ = ["FrozenTeacher", "let_batch_norm_follow"]


class FrozenTeacher(Teacher):
    """Holds a network as ``module``, ``None`` while it has nothing to say, and asks it without a gradient.

    ``task_index`` is the task after which the student had the network's structure.
    """

    offers: frozenset[str] = EVERYTHING

    def __init__(self) -> None:
        self.module: nn.Module | None = None
        self.task_index = -1
        self._forward: Forward | None = None
        self._device = torch.device("cpu")

    @property
    def ready(self) -> bool:
        return self.module is not None

    def begin(self, forward: Forward, device: torch.device) -> None:
        self._forward = forward
        self._device = device

    def keep(self, model: nn.Module, task_index: int) -> None:
        """Become a frozen copy of ``model``: the one deep copy of a task."""
        self.module = frozen_copy(model)
        self.task_index = task_index

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        return self.ask(batch, wants)

    def ask(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        """The network's own answer."""
        if self.module is None or self._forward is None:
            raise RuntimeError(f"{type(self).__name__} was asked before it had a network")
        with torch.set_grad_enabled(wants.gradients):
            return self._forward(self.module, batch.x, batch.label, wants, batch.at)

    def state_dict(self) -> dict[str, Any]:
        if self.module is None:
            return {"task": -1}
        return {"task": self.task_index, "weights": dict(self.module.state_dict())}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        self.task_index = int(state["task"])
        self.module = None
        if self.task_index >= 0:
            self.module = frozen_copy(rebuild(self.task_index)).to(self._device)
            self.module.load_state_dict(state["weights"])


def let_batch_norm_follow(module: nn.Module) -> None:
    """Let the BatchNorm layers of a frozen network normalise by each batch, and their running statistics follow."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.training = True
