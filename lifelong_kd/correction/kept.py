"""A network of an earlier moment that a correction keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.teacher.base import Rebuild

__all__ = ["Kept"]


class Kept:
    """A frozen network, none at first, that survives a restart.

    ``task`` is the task after which the student had the network's structure, -1 while there is none.
    """

    def __init__(self) -> None:
        self.module: nn.Module | None = None
        self.task = -1
        self._device = torch.device("cpu")

    def place(self, device: torch.device) -> None:
        """Say where a network that is loaded belongs."""
        self._device = device

    def keep(self, model: nn.Module, task: int) -> nn.Module:
        """Keep a frozen copy of ``model`` and return it."""
        self.module = frozen_copy(model)
        self.task = task
        return self.module

    def state_dict(self) -> dict[str, Any]:
        """Weights and structure."""
        weights = dict(self.module.state_dict()) if self.module is not None else {}
        return {"task": self.task, "weights": weights}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.task, self.module = int(state["task"]), None
        if self.task < 0:
            return
        if rebuild is None:
            raise RuntimeError("a network of an earlier task cannot be made without 'rebuild'")
        self.module = frozen_copy(rebuild(self.task)).to(self._device)
        self.module.load_state_dict(state["weights"])
