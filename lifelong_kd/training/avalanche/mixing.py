"""The engine in front of an Avalanche class, and what a student of ours needs inside it."""

from __future__ import annotations

import warnings
from typing import Any, cast

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.adapter import grow_head
from lifelong_kd.training.engine import EngineMixin

__all__ = ["Growth", "OwnTaskCrossEntropy", "criterion_for", "with_engine"]

REPLACED = ("forward", "make_train_dataloader", "make_eval_dataloader")
"""Methods of the mixin that never ask the class behind it, so that a strategy's own would be lost."""


def with_engine(kind: type) -> type:
    """The class with the engine mixed in; what the strategy itself says of ``forward`` and loaders is kept.

    The engine's other methods call the ones behind them, so that a strategy's own ``criterion`` is reached either way.
    """
    own = {
        name
        for base in kind.__mro__
        if not base.__module__.startswith(("avalanche.training.templates", "typing", "builtins"))
        for name in vars(base)
    }
    kept = {name: getattr(kind, name) for name in REPLACED if name in own}
    return type(kind.__name__, (Quiet, EngineMixin, kind), kept)


class Quiet:
    """Training without what Avalanche's parts say of each other's deprecation, at every step of every task."""

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as the class behind does."""
        with warnings.catch_warnings():
            show = warnings.showwarning

            def unless_deprecated(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
                if not issubclass(category, DeprecationWarning):
                    show(message, category, *place, **more)

            # A filter would not do: Avalanche sets one of its own before each of these warnings.
            warnings.showwarning = unless_deprecated
            return cast(Any, super()).train(*args, **kwargs)


class Growth(SupervisedPlugin):
    """Lets the head of a network of ours grow for the coming task, before the optimiser is told of its parameters."""

    def before_train_dataset_adaptation(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        experience = strategy.experience
        classes = sorted(int(column) for column in experience.classes_in_this_experience)
        index = strategy.clock.train_exp_counter
        grow_head(strategy.model, classes, int(experience.task_label), strategy.seeds, index)
        strategy.model.to(strategy.device)


class OwnTaskCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy of each sample over the columns of its own task, which its target tells.

    Args:
        task_of: the task of each column, int64 (columns).
    """

    def __init__(self, task_of: Tensor) -> None:
        super().__init__()
        self.register_buffer("task_of", task_of)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        task_of: Tensor = self.get_buffer("task_of")
        foreign = task_of[target].unsqueeze(1) != task_of[: input.shape[1]]
        return super().forward(input.masked_fill(foreign, -torch.inf), target)


def criterion_for(stream: Stream, device: torch.device) -> nn.Module:
    """The task loss of the stream's scenario."""
    if stream.scenario != "task":
        return nn.CrossEntropyLoss()
    task_of = torch.full((stream.classes,), -1)
    for task in stream.tasks:
        if (task_of[list(task.classes)] >= 0).any():
            raise BadCall(
                "two tasks of the stream share a class: Avalanche's own strategies cannot tell by a sample's class"
                " which task it is of; use one of ours, or number the classes of each task apart"
            )
        task_of[list(task.classes)] = task.index
    return OwnTaskCrossEntropy(task_of.to(device))
