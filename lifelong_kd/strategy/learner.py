"""Parameters that learn beside the student: a projector, with an optimiser of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.knowledge.trainable import Trainable

__all__ = ["Learner"]


class Learner:
    """Steps the module of a :class:`~lifelong_kd.knowledge.trainable.Trainable` together with the student.

    Not in the student's optimiser, which Avalanche makes anew from the student's parameters for each task.

    Args:
        owner: whose module learns, by plain gradient descent with momentum 0.9 at its ``projector_lr``.
    """

    def __init__(self, owner: Trainable) -> None:
        self.owner = owner
        self.name = type(owner).__name__
        self._seeds = Seeds(0)
        self._device = torch.device("cpu")
        self._optimizer: torch.optim.Optimizer | None = None

    def begin(self, name: str, seeds: Seeds, device: torch.device) -> None:
        """Told once, before the first task, where the module's initial weights come from."""
        self.name, self._seeds, self._device = name, seeds, device

    def meet(self, student: Any, teacher: Any) -> None:
        """Build the module when the shapes are seen for the first time."""
        if self._optimizer is None:
            if self.owner.module is None:
                with self._seeds.default(f"projector/{self.name}"):
                    self.owner.prepare(student, teacher)
            self._attach()

    def renew(self) -> None:
        """Forget the module: what is compared from now on may have other sizes."""
        self.owner.forget()
        self._optimizer = None

    def _attach(self) -> torch.optim.Optimizer | None:
        module = self.owner.module
        if module is not None:
            module.to(self._device)
            self._optimizer = torch.optim.SGD(module.parameters(), lr=self.owner.projector_lr, momentum=0.9)
        return self._optimizer

    def zero_grad(self) -> None:
        """Forget the last step's gradients."""
        if self._optimizer is not None:
            self._optimizer.zero_grad()

    def step(self) -> None:
        """Learn from the gradients of the last backward pass."""
        if self._optimizer is not None:
            self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self._optimizer.state_dict() if self._optimizer is not None else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The owner's module is there again already."""
        self._optimizer = None
        if state["optimizer"] is not None:
            made = self._attach()
            if made is not None:
                made.load_state_dict(state["optimizer"])
