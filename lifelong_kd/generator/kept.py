"""What generators with a network of their own share: its optimiser, the frozen copy that draws, and what is saved."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, Diverged
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.generator.base import Generator, Made
from lifelong_kd.generator.likelihood import Likelihood, check_likelihood, check_samples, fitting
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["Kept"]


class Kept(Generator):
    """A network that learns by Adam; what it was at the end of the previous task makes the samples.

    The optimiser goes on over all tasks. A subclass builds the network, makes its steps with :meth:`step`, and draws
    samples of a network.

    Args:
        lr: learning rate of Adam.
        likelihood: see :data:`~lifelong_kd.generator.likelihood.Likelihood`.

    Raises:
        BadCall: for an option out of range.
    """

    def __init__(self, *, lr: float, likelihood: Likelihood) -> None:
        super().__init__()
        if not lr > 0:
            raise BadCall(f"a generator's learning rate must be above 0, got {lr}")
        check_likelihood(likelihood)
        self.lr = lr
        self.likelihood: Likelihood = likelihood
        self.network: nn.Module | None = None
        self.frozen: nn.Module | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        self.shape: tuple[int, ...] = ()
        self.fitted: Likelihood = likelihood
        self._groups: list[list[int]] = []
        self._frozen_groups = 0
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._seeds = Seeds(0)
        self.device = torch.device("cpu")

    # ---- what a subclass writes -------------------------------------------------------------------------------

    @abstractmethod
    def build(self) -> nn.Module:
        """A new network for samples of ``self.shape``; its weights are drawn from torch's default generator."""

    def grow(self, network: nn.Module, classes: Sequence[int]) -> list[nn.Parameter]:
        """Make room for a task and those of its classes that were not there before; the new parameters, if any."""
        return []

    @abstractmethod
    def sample(self, network: nn.Module, count: int, generator: torch.Generator) -> Made:
        """``count`` samples of ``network``, without a gradient."""

    # ---- the life of a run ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return type(self).__name__

    @property
    def ready(self) -> bool:
        return self.frozen is not None

    @property
    def noise(self) -> torch.Generator:
        """Where its steps draw from."""
        return self._seeds.generator("generator/noise")

    def begin(self, seeds: Seeds, device: torch.device) -> None:
        self._seeds, self.device = seeds, device

    def check(self, task: Task, data: TaskData, model: nn.Module) -> None:
        check_samples(self.name, self.likelihood if self.network is None else self.fitted, data)
        shape = tuple(data.raw(torch.tensor([0])).shape[1:])
        if self.shape and shape != self.shape:
            raise BadCall(
                f"the generator {self.name!r} makes samples of shape {self.shape}, found {shape} in task {task.index}"
            )

    def begin_task(self, task: Task, data: TaskData, solver: Snapshot, *, resumed: bool = False) -> None:
        if self.network is None:
            self.shape = tuple(data.raw(torch.tensor([0])).shape[1:])
            self.fitted = fitting(self.likelihood, data)
            with self._seeds.default("generator/weights"):
                self._attach(self.build())
        known = {column for group in self._groups for column in group}
        with self._seeds.default(f"generator/weights/{task.index}"):
            self._widen(sorted(set(task.new) - known))
        self._sums, self._steps = {}, 0

    def _attach(self, network: nn.Module) -> torch.optim.Optimizer:
        self.network = network.to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.lr, fused=True)
        return self.optimizer

    def _widen(self, classes: list[int]) -> None:
        self._groups.append(classes)
        added = self.grow(self.learning, classes)
        if added and self.optimizer is not None:
            self.optimizer.add_param_group({"params": added})

    @property
    def learning(self) -> nn.Module:
        """The network that learns."""
        if self.network is None:
            raise RuntimeError(f"{self.name} has met no task yet")
        return self.network

    def step(self, loss: Tensor | None, told: Mapping[str, Tensor]) -> None:
        """A step of the optimiser, down ``loss`` or along the gradients that are there.

        Args:
            loss: ``None`` if its gradients have been taken already.
            told: scalars, whose means over the steps that told any are for the log.
        """
        if self.optimizer is None:
            raise RuntimeError(f"{self.name} has met no task yet")
        if loss is not None:
            loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for name, value in told.items():
            self._sums[name] = self._sums[name] + value.detach() if name in self._sums else value.detach()
        self._steps += bool(told)

    def end_task(self, task: Task, data: TaskData, model: nn.Module) -> None:
        self.frozen = frozen_copy(self.learning)
        self._frozen_groups = len(self._groups)
        self.values = {name: float(total) / self._steps for name, total in self._sums.items()}
        for name, value in self.values.items():
            if not math.isfinite(value):
                raise Diverged(
                    f"the generator {self.name!r} has diverged: its {name} is {value} over task {task.index}. Lower the"
                    " generator's lr; it makes the samples of the next task"
                )

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> Made:
        if self.frozen is None:
            raise RuntimeError(f"{self.name} was asked for samples before the first task was over")
        return self.sample(self.frozen, count, generator)

    @property
    def nbytes(self) -> int:
        if self.network is None:
            return 0
        held = [*self.network.parameters(), *self.network.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    # ---- what is kept -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        if self.network is None or self.optimizer is None:
            return {"shape": None}
        frozen = dict(self.frozen.state_dict()) if self.frozen is not None else None
        return {
            "shape": list(self.shape),
            "extra": self.extra_state(),
            "likelihood": self.fitted,
            "groups": [list(group) for group in self._groups],
            "network": dict(self.network.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "frozen": frozen,
            "frozen_groups": self._frozen_groups,
            "sums": dict(self._sums),
            "steps": self._steps,
            "values": dict(self.values),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.network = self.frozen = self.optimizer = None
        self._groups, self._frozen_groups = [], 0
        self._sums, self._steps, self.values = {}, 0, {}
        if state["shape"] is None:
            self.shape, self.fitted = (), self.likelihood
            return
        self.shape, self.fitted = tuple(state["shape"]), state["likelihood"]
        self.load_extra_state(state["extra"])
        self._frozen_groups = int(state["frozen_groups"])
        # The weights are overwritten: what the generator gives them must not cost the run a draw.
        with torch.random.fork_rng(devices=[]):
            optimizer = self._attach(self.build())
            if state["frozen"] is not None:
                frozen = self.build()
                for group in state["groups"][: self._frozen_groups]:
                    self.grow(frozen, group)
                self.frozen = frozen_copy(frozen).to(self.device)
                self.frozen.load_state_dict(state["frozen"])
            for group in state["groups"]:
                self._widen(list(group))
        self.learning.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        self._sums = {name: total.to(self.device) for name, total in state["sums"].items()}
        self._steps, self.values = int(state["steps"]), dict(state["values"])

    def extra_state(self) -> dict[str, Any]:
        """What else the network's structure follows from."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`extra_state` gave, before the network is built."""
