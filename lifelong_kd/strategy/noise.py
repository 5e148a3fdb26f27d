"""Noise on the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lifelong_kd.core.errors import BadCall

__all__ = ["GradientNoise"]


class GradientNoise:
    """Gaussian noise of variance ``eta / (1 + step)^gamma`` on every gradient.

    Paper: Neelakantan et al. 2015, "Adding gradient noise improves learning for very deep networks", arXiv 1511.06807.
    EEIL (Castro et al. 2018, arXiv 1807.09536, section 4) trains with eta = 0.3 and gamma = 0.55.

    Args:
        eta: variance before the first step, at least 0.
        gamma: how fast it decays.
    """

    def __init__(self, *, eta: float = 0.3, gamma: float = 0.55) -> None:
        if eta < 0 or gamma < 0:
            raise BadCall(f"eta and gamma must be at least 0, got {eta} and {gamma}")
        self.eta = eta
        self.gamma = gamma
        self.step = 0

    def add(self, model: nn.Module, generator: torch.Generator) -> None:
        """Add noise to the gradients that ``model`` has now."""
        deviation = (self.eta / (1 + self.step) ** self.gamma) ** 0.5
        self.step += 1
        for parameter in model.parameters():
            if parameter.grad is not None and deviation:
                noise = torch.randn(parameter.grad.shape, generator=generator)
                parameter.grad.add_(noise.to(parameter.grad), alpha=deviation)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.step = int(state["step"])
