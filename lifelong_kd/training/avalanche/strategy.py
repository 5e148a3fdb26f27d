"""Avalanche's own strategies inside the engine: the same data, evaluation and tracking, their own method."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.linear import LinearHead
from lifelong_kd.model.network import Network
from lifelong_kd.stream.stream import Stream

__all__ = ["AvalancheStrategy", "Setting"]


@dataclass(frozen=True)
class Setting:
    """What a strategy is put into.

    ``common`` is what the constructor of every template takes, ``arguments`` what this one's will get.
    """

    name: str
    stream: Stream
    common: Mapping[str, Any]
    arguments: dict[str, Any]

    @property
    def network(self) -> Network:
        """The student."""
        return cast(Network, self.common["model"])

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser, over the student's parameters."""
        return cast(torch.optim.Optimizer, self.common["optimizer"])

    @property
    def batch_size(self) -> int:
        """New samples a step."""
        return int(self.common["train_mb_size"])

    def refuse(self, reason: str) -> BadCall:
        """The error that says why this strategy cannot run as configured."""
        return BadCall(f"strategy {self.name!r} cannot run here: {reason}")

    def replace_model(self, model: nn.Module) -> None:
        """Train another network than the student; the optimiser is told by the engine."""
        self.arguments["model"] = model.to(self.arguments["device"])


class AvalancheStrategy:
    """A class of ``avalanche.training`` and the options it was asked for.

    The student keeps its own head: in a task-incremental stream the cross-entropy of a sample is taken over the columns
    of its own task, as if each task had a head to itself (where Avalanche asks the template for it).
    Its state is spread over Avalanche's plugins and cannot be saved without pickle, so a resumed run begins again from
    the first task, with the same numbers.

    Args:
        name: how messages call it.
        kind: the template class, as ``"module:attribute"``; it is imported when the experiment is built.
        options: arguments of its constructor.
        prepare: changes the constructor's arguments to what the stream and the student ask for, or refuses them.
        finish: changes the template that was built.
        grows: whether the student's head may grow from task to task.
        scenarios: the scenarios it can run in; all if not given.
        own_steps: whether it changes the weights by itself, so that ``training.grad_clip`` cannot be had.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        options: Mapping[str, Any] | None = None,
        *,
        prepare: Callable[[Setting], None] | None = None,
        finish: Callable[[Any, Setting], None] | None = None,
        grows: bool = False,
        scenarios: tuple[str, ...] = ("class", "task", "domain"),
        own_steps: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.options = dict(options or {})
        self.prepare = prepare
        self.finish = finish
        self.grows = grows
        self.scenarios = scenarios
        self.own_steps = own_steps

    def template(self, stream: Stream, common: dict[str, Any]) -> Any:
        """The strategy as a template with the engine mixed in.

        Args:
            stream: the tasks.
            common: what the constructor of every template takes.

        Raises:
            BadCall: if the strategy cannot run on this stream, with this student or with these options.
        """
        from lifelong_kd.training.avalanche.mixing import Growth, criterion_for, with_engine

        criterion = criterion_for(stream, common["device"])
        arguments = {**common, "criterion": criterion, "plugins": [Growth()], **self.options}
        setting = Setting(self.name, stream, common, arguments)
        if stream.scenario not in self.scenarios:
            raise setting.refuse(
                f"it needs a {' or '.join(self.scenarios)}-incremental stream, but stream.scenario is"
                f" {stream.scenario!r}"
            )
        if not self.grows and not has_fixed_head(setting.network):
            raise setting.refuse(
                "Avalanche builds it for a head of fixed width: set model.head to 'linear' with grow: false"
            )
        module, _, attribute = self.kind.partition(":")
        kind = getattr(importlib.import_module(module), attribute)
        try:
            if self.prepare is not None:
                self.prepare(setting)
            template = with_engine(kind)(**setting.arguments)
            if self.finish is not None:
                self.finish(template, setting)
            template.own_steps = self.own_steps
        except (AssertionError, ImportError, NotImplementedError, ValueError) as error:
            raise setting.refuse(f"Avalanche says: {error}") from error
        return template


def has_fixed_head(network: nn.Module) -> bool:
    """Whether all columns of the head are there from the start."""
    head = getattr(network, "head", None)
    limit = getattr(head, "limit", None)
    return limit is not None and getattr(head, "width", None) == limit


def linear_head(setting: Setting) -> LinearHead:
    """The student's head, if it is a plain linear one.

    Raises:
        BadCall: for any other.
    """
    head = setting.network.head
    if not isinstance(head, LinearHead):
        raise setting.refuse(
            f"Avalanche looks for a linear layer at the end: set model.head to 'linear' (found {head})"
        )
    return head
