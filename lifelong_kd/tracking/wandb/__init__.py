"""Weights & Biases: the tracker, where its files lie, and whether it may talk to a server."""

from __future__ import annotations

from lifelong_kd.tracking.wandb.tracker import WandbTracker

__all__ = ["WandbTracker"]
