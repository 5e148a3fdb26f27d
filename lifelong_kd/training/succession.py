"""Which network is the student of each task: one that goes on, or another that takes its place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.model.carry import carry_head
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.importance import shown
from lifelong_kd.model.network import Network
from lifelong_kd.model.picks import Layers
from lifelong_kd.model.transfer import Transfer, check_transfer, transfer
from lifelong_kd.strategy.base import Strategy

__all__ = ["Succession", "Successors"]


@dataclass(frozen=True)
class Successors:
    """Networks that take the student's place, by the task that they begin with.

    Args:
        networks: as they were built, before any head has grown.
        settings: the part ``model`` of the configuration of each, as a saved model keeps it.
        transfer: how a new student begins with weights of the old one. With ``none`` it has only the rows of its head,
            class by class, where both have as many features.
        layers: which layers feed those of a student with fewer.

    Raises:
        BadCall: for an unknown ``transfer`` or ``layers``.
    """

    networks: Mapping[int, Network] = field(default_factory=dict)
    settings: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    transfer: Transfer = "none"
    layers: Layers = "even"

    def __post_init__(self) -> None:
        check_transfer(self.transfer, self.layers)


class Succession:
    """Lets another network take the student's place when its task begins, and knows which one each task had.

    Args:
        first: the network of the first task as it was built, before any head has grown.
        successors: those of later tasks.
        optimizer: makes the optimiser from the student's parameters.
        seeds: named generators.
        channels_last: whether later networks keep their weights in that order, as the first does.
    """

    def __init__(
        self,
        first: nn.Module,
        successors: Successors,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        seeds: Seeds,
        channels_last: bool = False,
    ) -> None:
        self.first = first
        self.later = dict(sorted(successors.networks.items()))
        if channels_last:
            for network in self.later.values():
                network.to(memory_format=torch.channels_last)
        self.successors = successors
        self._optimizer = optimizer
        self._seeds = seeds

    def pristine(self, task: int) -> nn.Module:
        """A copy of the student of ``task`` as it was built, before any head has grown."""
        return copy.deepcopy(self._built(task))

    def settings(self, task: int) -> Mapping[str, Any] | None:
        """The part ``model`` of the configuration of the student of ``task``; ``None`` while it is the first one."""
        number = self._from(task)
        return None if number is None else self.successors.settings.get(number)

    def begins_anew(self, task: int) -> bool:
        """Whether the student of ``task`` is a new network without weights of the one before, its head's included."""
        if task not in self.later or self.successors.transfer != "none":
            return False
        heads = [getattr(self._built(number), "head", None) for number in (task - 1, task)]
        sizes = {getattr(head, "feature_size", None) for head in heads}
        return len(sizes) > 1

    def _built(self, task: int) -> nn.Module:
        number = self._from(task)
        return self.first if number is None else self.later[number]

    def _from(self, task: int) -> int | None:
        """The task since which the student of ``task`` has been there; ``None`` for the first one."""
        return max((number for number in self.later if number <= task), default=None)

    def enter(
        self,
        template: Any,
        strategy: Strategy,
        tasks: Sequence[Task],
        data: Callable[[], TaskData] | None,
    ) -> None:
        """Put the network of the last of ``tasks`` into the template, its head grown for the tasks before it.

        Args:
            template: whose model and optimiser are replaced, if the task has a network of its own.
            strategy: whose teachers and projectors are told.
            tasks: those so far.
            data: the task's training data; ``None`` if saved weights are about to be put back.
        """
        index = tasks[-1].index
        for term in strategy.terms.values():
            follows = term.teacher is not None and bool(term.teacher.earlier_students(index))
            # A snapshot is of the student's new size one task later.
            if term.learner is not None and (index in self.later or (index - 1 in self.later and follows)):
                term.learner.renew()
        if index not in self.later:
            return
        network = copy.deepcopy(self.later[index])
        with self._seeds.default(f"init/student/{index}/head"):
            for done in tasks[:-1]:
                network.grow(done.new, done.label)
        network.to(template.device)
        if data is not None:
            self._hand_over(unwrapped(template.model), network, data)
        template.model = network
        template.optimizer = self._optimizer(network.parameters())
        # Tells the optimiser the names of its parameters before the head grows for the new task. Those of the
        # network before have the same names: with them in mind Avalanche would add the new ones twice.
        template.optimized_param_id = None
        template.make_optimizer(reset_optimizer_state=True)
        for teacher in strategy.teachers.values():
            teacher.succeeded()

    def _hand_over(self, old: nn.Module, new: Network, data: Callable[[], TaskData]) -> None:
        if not isinstance(old, Network):
            return
        if self.successors.transfer == "none":
            carry_head(old.head, new.head)
            return
        x = shown(data()) if self.successors.transfer == "importance" else None
        transfer(old, new, units=self.successors.transfer, layers=self.successors.layers, x=x)
