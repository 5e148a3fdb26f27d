"""The whole state of a run: taken out for a checkpoint, and put back so that it goes on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.training import checkpoint
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.results import Ledger
from lifelong_kd.training.succession import Succession

__all__ = ["RunState"]


class RunState:
    """Everything of a run that changes while it goes on, apart from its position.

    Args:
        engine: the template, with model, optimiser and clock.
        plugin: the strategy.
        seeds: named generators.
        ledger: what has been measured.
        succession: which network is the student of each task.
    """

    def __init__(
        self, engine: Any, plugin: DistillationPlugin, seeds: Seeds, ledger: Ledger, succession: Succession
    ) -> None:
        self.engine = engine
        self.plugin = plugin
        self.seeds = seeds
        self.ledger = ledger
        self.succession = succession

    def capture(self) -> dict[str, Any]:
        """Tensors, numbers, strings and containers of them."""
        engine = self.engine
        return {
            "model": dict(engine.model.state_dict()),
            "optimizer": checkpoint.optimizer_state(engine.optimizer, engine.model),
            "strategy": self.plugin.strategy.state_dict(),
            "seeds": self.seeds.state_dict(),
            "random": checkpoint.random_state(engine.device),
            "clock": {key: value for key, value in vars(engine.clock).items() if isinstance(value, int)},
            "ledger": self.ledger.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put everything back but the ledger; the head must have grown as far as it had then."""
        engine = self.engine
        engine.model.load_state_dict(state["model"])
        checkpoint.load_optimizer(engine.optimizer, engine.model, state["optimizer"])
        self.plugin.strategy.load_state_dict(state["strategy"], self.rebuild)
        self.seeds.load_state_dict(state["seeds"])
        checkpoint.load_random(state["random"], engine.device)
        vars(engine.clock).update(state["clock"])

    def enter(self, experiences: Any, state: Mapping[str, Any]) -> None:
        """Walk through the tasks that are done, and bring back what the next one needs before it begins.

        After a checkpoint between two tasks that is everything. Inside a task the head has yet to grow for it, so the
        rest waits for :meth:`restore`; but a memory that joins the task's training set is needed at once.
        """
        for experience in experiences:
            self.plugin.enter(self.engine, experience, resumed=True)
        self.engine.model.to(self.engine.device)
        self.engine.make_optimizer()
        if not state["inside"]:
            self.restore(state)
        else:
            self.plugin.strategy.load_training_set(state["strategy"])
        self.ledger.load_state_dict(state["ledger"])
        self.plugin.adapter.teaching.set(self.ledger.seconds["teaching"])

    def rebuild(self, task: int) -> nn.Module:
        """A network of the structure that the student had after ``task``."""
        network = self.succession.pristine(task)
        grow = getattr(network, "grow", None)
        if callable(grow):
            # The values are loaded afterwards; what growing draws must not be missing elsewhere.
            with torch.random.fork_rng(devices=[]):
                for done in self.plugin.tasks[: task + 1]:
                    grow(done.new, done.label)
        return network
