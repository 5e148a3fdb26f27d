"""Small stages for the tests of phases and corrections."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.model.build import build_network
from lifelong_kd.phase.base import Phase, Stage
from lifelong_kd.strategy.base import Strategy
from tests.strategy.driver import Driver, tasks_of

GROUPS = [(4, 1), (0, 3), (2, 5)]
"""Classes that are neither in order nor side by side."""


def network(head: str = "linear", classes: int = 6, seed: int = 0, **options: Any) -> nn.Module:
    """A perceptron with BatchNorm and dropout."""
    torch.manual_seed(seed)
    model = ("mlp", {"hidden": [8], "batch_norm": True, "dropout": 0.3})
    return build_network((5,), classes, model=model, head=(head, options))


def plain(seed: int = 0) -> nn.Module:
    """A network that is none of ours."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Sequential(nn.ReLU(), nn.Dropout(0.3)), nn.Linear(8, 6)
    )


class Heavy(Driver):
    """A driver whose optimiser has momentum and weight decay, which move what has no gradient."""

    def stage(self, task: Any, data: Any) -> Stage:
        stage = super().stage(task, data)
        stage.optimizer = lambda parameters, lr=None: torch.optim.SGD(
            parameters, lr=self.lr if lr is None else lr, momentum=0.9, weight_decay=0.1
        )
        return stage


def driver(model: nn.Module, phase: Phase | None = None, **options: Any) -> Heavy:
    """A driver of a strategy with one phase."""
    return Heavy(Strategy(phases=[] if phase is None else [phase], **options), model)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of everything in the network's state."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def moved(before: dict[str, Tensor], model: nn.Module) -> set[str]:
    """What has changed."""
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


TASKS = tasks_of(GROUPS)
