"""Plugins of Avalanche with a fault mended, so that the baseline they are is the published one."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import SynapticIntelligencePlugin

__all__ = ["SynapticIntelligence"]


class SynapticIntelligence(SynapticIntelligencePlugin):
    """Synaptic intelligence whose record of the weights before a step is a copy.

    Avalanche 0.6.0 keeps ``param.detach().cpu().flatten()``, which on the CPU is the parameter itself: before and after
    a step it finds the same values, no path is ever measured, and the penalty stays 0.
    """

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        super().before_training_exp(strategy, **kwargs)
        _copied(self.ewc_data[0])

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        super().before_training_iteration(strategy, **kwargs)
        _copied(self.syn_data["old_theta"])


def _copied(weights: Any) -> None:
    for weight in weights.values():
        weight.data = weight.data.clone()
