"""Avalanche's strategies without a method of their own: lower and upper bounds."""

from __future__ import annotations

from lifelong_kd.training.avalanche.strategy import AvalancheStrategy

__all__ = ["cumulative", "from_scratch", "naive"]

SUPERVISED = "avalanche.training.supervised"


def naive() -> AvalancheStrategy:
    """Plain training on each task in turn: the lower bound, in Avalanche's own class."""
    return AvalancheStrategy("avalanche/naive", f"{SUPERVISED}:Naive", grows=True)


def cumulative() -> AvalancheStrategy:
    """Training on all data so far, from where the last task left the student."""
    return AvalancheStrategy("avalanche/cumulative", f"{SUPERVISED}:Cumulative", grows=True)


def from_scratch(*, reset_optimizer: bool = True) -> AvalancheStrategy:
    """Each task alone, from the initial weights: shows what a task's own data can give.

    Args:
        reset_optimizer: whether the optimiser's state is forgotten too.
    """
    options = {"reset_optimizer": reset_optimizer}
    return AvalancheStrategy("avalanche/from_scratch", f"{SUPERVISED}:FromScratchTraining", options)
