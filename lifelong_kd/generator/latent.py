"""Latent replay: a generator of what a stage of the student gives, in the place of its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.generator.base import Generator, Made
from lifelong_kd.generator.vae import Vae
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.model.inside import entrance, output_at
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["LatentReplay"]

AT_ONCE = 1000
"""Samples whose features are computed in one pass."""


class _Inside:
    """The training data of a task as the inner generator sees them: the outputs of a stage are its raw samples."""

    def __init__(self, data: TaskData, features: Callable[[Tensor], Tensor]) -> None:
        self._data = data
        self._features = features
        self.targets = data.targets
        self.labels = data.labels

    def raw(self, index: Tensor) -> Tensor:
        return self._features(self._data.plain(self._data.raw(index)))

    @property
    def left_out(self) -> int | None:
        return self._data.left_out

    def raw_left_out(self, index: Tensor) -> Tensor:
        return self._features(self._data.plain(self._data.raw_left_out(index)))

    def about(self, index: Tensor) -> Sequence[Mapping[str, str]]:
        return self._data.about(index)

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw


class LatentReplay(Generator):
    """Replays inside the network: another generator learns the output of one of the student's stages.

    ``x_replayed ~ G``, and ``logits = rest(x_replayed)``, with G trained on ``scale^-1 * stage(x)`` and ``rest`` what
    lies behind the stage. The scale is the root mean square of the stage's output in the first task, so that any stage
    is in the range of a Gaussian likelihood; where the stage gave nothing below 0, neither does the replay.

    The stage is that of the previous model, frozen. In the first task there is none, and the student's own is still
    learning: there G learns at the end of the task, in as many steps and batches as the student made. From the second
    task on it learns beside the student. What was replayed stays true only while the stages below do not move: the
    phase ``freeze`` with ``upto``, as the strategy ``latent_replay`` has it.

    Papers: Pellegrini et al. 2020, "Latent Replay for Real-Time Continual Learning", arXiv 1912.01100, which stores the
    activations and freezes or slows the layers below; van de Ven, Siegelmann, Tolias 2020, "Brain-inspired replay for
    continual learning with artificial neural networks", doi:10.1038/s41467-020-17866-2, internal replay of generated
    ones.

    Args:
        at: the stage, such as ``layer1`` or ``stage2``, or ``features``, the input of the head.
        inner: what learns its output; ``vae`` with a Gaussian likelihood if null.

    Raises:
        BadCall: for an inner generator that learns nothing or works inside the network itself, and when a task begins,
            for a student without that stage.

    Example:
        generator: {name: latent_replay, at: layer1, inner: {name: vae, likelihood: gaussian, latent: 32}}
    """

    def __init__(
        self, *, at: str = "features", inner: Annotated[Generator, Component("generator")] | None = None
    ) -> None:
        super().__init__()
        self.inner = inner if inner is not None else Vae(likelihood="gaussian")
        if not self.inner.trained or self.inner.level is not None:
            raise BadCall(
                f"latent replay needs an inner generator that learns from samples, such as 'vae'; not"
                f" {type(self.inner).__name__}"
            )
        self.level = at
        self.at = at
        self.scale = 1.0
        self.positive = False
        self._steps = 0
        self._batch = 0
        self._begun = False
        self._network: nn.Module | None = None
        self._solver: Snapshot | None = None
        self._data: TaskData | None = None
        self._seeds = Seeds(0)
        self._device = torch.device("cpu")

    @property
    def ready(self) -> bool:
        return self.inner.ready

    def begin(self, seeds: Seeds, device: torch.device) -> None:
        self._seeds, self._device = seeds, device
        self.inner.begin(seeds, device)

    def check(self, task: Task, data: TaskData, model: nn.Module) -> None:
        entrance(model, self.at)
        if not self._begun:
            student = frozen_copy(model)
            self.inner.check(task, _Inside(data, lambda x: self._of(student, x)), model)

    def begin_task(self, task: Task, data: TaskData, solver: Snapshot, *, resumed: bool = False) -> None:
        self._data, self._solver = data, solver
        if resumed:
            return
        self._steps = 0
        if solver.ready and self._begun:
            self.inner.begin_task(task, self._inside(data), solver)

    def _inside(self, data: TaskData) -> _Inside:
        return _Inside(data, self._features)

    def _features(self, x: Tensor) -> Tensor:
        """What the frozen stage gives, in units of the scale."""
        network = self._network
        if network is None and self._solver is not None:
            network = self._solver.module
        if network is None:
            raise RuntimeError("latent replay was asked for features before there was a frozen model")
        return self._of(network, x) / self.scale

    @torch.no_grad()
    def _of(self, network: nn.Module, x: Tensor) -> Tensor:
        parts = [output_at(network, part.to(self._device), self.at).float() for part in x.split(AT_ONCE)]
        return torch.cat(parts)

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        if not self._begun:
            self._steps, self._batch = self._steps + 1, max(self._batch, len(new))
            return
        inside = self._features(new.x)
        drawn = replayed if replayed is None else replace(replayed, raw=replayed.raw / self.scale)
        self.inner.learn(replace(new, x=inside, raw=inside, index=None), drawn, share)

    def end_task(self, task: Task, data: TaskData, model: nn.Module) -> None:
        if not self._begun:
            self._learn_first(task, data, model)
        self.inner.end_task(task, self._inside(data), model)
        self.values = dict(self.inner.values)
        # From here on the previous model is the one whose stage is replayed.
        self._network = None

    def _learn_first(self, task: Task, data: TaskData, model: nn.Module) -> None:
        self._network = frozen_copy(model)
        some = self._features(data.plain(data.raw(torch.arange(min(len(data.targets), AT_ONCE)))))
        self.scale = max(float(some.square().mean().sqrt()), torch.finfo(torch.float32).tiny)
        self.positive = bool((some >= 0).all())
        self._begun = True
        inside = self._inside(data)
        self.inner.begin_task(task, inside, Snapshot())
        order, views = (self._seeds.generator(f"latent_replay/{name}") for name in ("order", "augment"))
        for _ in range(self._steps):
            rows = torch.randint(len(data.targets), (self._batch,), generator=order)
            x = self._features(data.augmented(data.raw(rows), views))
            y, label = (kept[rows].to(self._device) for kept in (data.targets, data.labels))
            self.inner.learn(Batch(x=x, y=y, label=label, raw=x), None, 0.0)

    def draw(self, count: int, generator: torch.Generator) -> Made:
        made = self.inner.draw(count, generator)
        raw = made.raw * self.scale
        return Made(raw.clamp(min=0.0) if self.positive else raw, made.y)

    def score(self, raw: Tensor) -> float | None:
        """How well the inner generator models what the frozen stage gives for ``raw`` samples."""
        known = self._network is not None or (self._solver is not None and self._solver.ready)
        if not self._begun or self._data is None or not known or not len(raw):
            return None
        return self.inner.score(self._features(self._data.plain(raw.to(self._device))))

    @property
    def nbytes(self) -> int:
        return self.inner.nbytes

    def state_dict(self) -> dict[str, Any]:
        return {
            "inner": self.inner.state_dict(),
            "scale": self.scale,
            "positive": self.positive,
            "steps": self._steps,
            "batch": self._batch,
            "begun": self._begun,
            "values": dict(self.values),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state["inner"])
        self.scale, self.positive = float(state["scale"]), bool(state["positive"])
        self._steps, self._batch = int(state["steps"]), int(state["batch"])
        self._begun = bool(state["begun"])
        self._network = None
        self.values = dict(state["values"])
