"""Where the numbers of a run go: local files, the console, Weights & Biases."""

from __future__ import annotations

from lifelong_kd.core.registry import Registry

__all__ = ["register", "registry"]

registry = Registry(
    "tracker",
    {
        "jsonl": "lifelong_kd.tracking.jsonl:JsonlTracker",
        "console": "lifelong_kd.tracking.console.tracker:ConsoleTracker",
        "wandb": "lifelong_kd.tracking.wandb.tracker:WandbTracker",
    },
)
register = registry.register
