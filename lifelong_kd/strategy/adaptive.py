"""Weights that follow from the size of gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.schedule.base import Schedule

__all__ = ["Balance"]


class Balance:
    """Tells the adaptive schedules among the weights how large the gradients of task loss and term are.

    Args:
        weights: the schedule of each term.
    """

    def __init__(self, weights: Mapping[str, Schedule]) -> None:
        self._adaptive = {
            name: [part for part in weight.parts() if part.adaptive] for name, weight in weights.items()
        }
        self._step = 0

    def observes(self, name: str) -> bool:
        """Whether the weight of the term ``name`` wants to be told in this step."""
        return any(part.wants(self._step) for part in self._adaptive[name])

    def observe(self, name: str, task_loss: Tensor, value: Tensor, model: nn.Module) -> None:
        """Measure both gradients at the student's parameters, and tell the schedules their norms."""
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        norms = [_norm(loss, parameters) for loss in (task_loss, value)]
        for part in self._adaptive[name]:
            if part.wants(self._step):
                part.observe(*norms)

    def stepped(self) -> None:
        """Count a step."""
        self._step += 1

    def state_dict(self) -> dict[str, Any]:
        parts = {name: [part.state_dict() for part in found] for name, found in self._adaptive.items()}
        return {"step": self._step, "parts": parts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = int(state["step"])
        for name, found in self._adaptive.items():
            for part, saved in zip(found, state["parts"][name], strict=True):
                part.load_state_dict(saved)


def _norm(loss: Tensor, parameters: list[nn.Parameter]) -> float:
    if not loss.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0
