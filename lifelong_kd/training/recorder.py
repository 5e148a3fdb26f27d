"""What is recorded in the loop: sums on the device while training, logits while evaluating."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from lifelong_kd.strategy.total import Part

__all__ = ["Outputs", "Recorder"]


@dataclass
class Outputs:
    """What the model said about one experience: ``logits`` (samples, columns) and ``targets`` (samples,)."""

    logits: Tensor
    targets: Tensor


@dataclass
class _Sums:
    """Sums over steps, kept on the device: reading one would wait for it."""

    steps: int = 0
    values: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: Tensor) -> None:
        value = value.detach()
        if name in self.values:
            self.values[name] += value
        else:
            self.values[name] = value.clone()
        self.counts[name] = self.counts.get(name, 0) + 1


class Recorder(SupervisedPlugin):
    """The template's evaluator: losses by term while training, logits by experience while evaluating.

    Nothing is read back from the device inside the loop but once every ``every`` steps.

    Args:
        parts: what each term contributed to the last step; ``None`` for strategies that do not say.
        every: steps between two records.

    ``report`` is called with the mean of each loss since the last record, ``step`` after every step.
    """

    def __init__(self, *, parts: Callable[[], Mapping[str, Part]] | None, every: int) -> None:
        SupervisedPlugin.__init__(self)
        self._parts = parts
        self._every = every
        self.report: Callable[[Mapping[str, float]], None] = lambda means: None
        self.step: Callable[[], None] = lambda: None
        self._sums = _Sums()
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []
        self.outputs: list[Outputs] = []

    def get_last_metrics(self) -> dict[str, Any]:
        """Avalanche asks its evaluator for this; ours are in :attr:`outputs`."""
        return {}

    def before_training_exp(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self._sums = _Sums()

    def after_training_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        sums = self._sums
        sums.add("loss", strategy.loss)
        parts = self._parts() if self._parts is not None else {}
        for name, part in parts.items():
            sums.add(f"loss/{name}", part.raw)
            sums.add(f"loss/{name}_weighted", part.raw * part.weight)
        sums.steps += 1
        self.step()
        if sums.steps >= self._every:
            self.flush()

    def flush(self) -> None:
        """Report the means since the last record."""
        sums = self._sums
        if not sums.steps:
            return
        # A term that was silent in some steps added nothing there, but has no raw value of 0 there.
        means = {
            name: float(value) / (sums.steps if name.endswith("_weighted") else sums.counts[name])
            for name, value in sums.values.items()
        }
        self._sums = _Sums()
        self.report(means)

    def before_eval(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.outputs = []

    def after_eval_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self._logits.append(strategy.mb_output.detach())
        self._targets.append(strategy.mb_y)

    def after_eval_exp(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.outputs.append(Outputs(torch.cat(self._logits), torch.cat(self._targets)))
        self._logits, self._targets = [], []
