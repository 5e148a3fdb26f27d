"""Asking the student about any samples, as evaluation does: corrections applied, modes and random draws left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from avalanche.models.utils import avalanche_forward
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.network import Network
from lifelong_kd.model.taps import penultimate
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.randomness import undisturbed
from lifelong_kd.training.task_data import ForeignData, PartData

__all__ = ["Answers", "Asker", "drawn"]

Change = Callable[[Tensor, torch.Generator], Tensor]


def drawn(count: int, limit: int | None, seed: int) -> Tensor:
    """Which of ``count`` samples are asked about: all, or ``limit`` of them, in order, always the same for a seed."""
    if limit is None or limit >= count:
        return torch.arange(count)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator)[:limit].sort().values


@dataclass(frozen=True)
class Answers:
    """What the student said: ``logits`` (N, columns) float32, ``targets`` (N), and, if asked for, ``features`` (N, D).

    All on the CPU.
    """

    logits: Tensor
    targets: Tensor
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)


class Asker:
    """Asks an engine's student by the batch.

    Args:
        engine: the template.
        plugin: the strategy, for its corrections; ``None`` for Avalanche's own.
        benchmark: the Avalanche benchmark.
    """

    def __init__(self, engine: Any, plugin: DistillationPlugin | None, benchmark: Any) -> None:
        self.engine = engine
        self.plugin = plugin
        self.benchmark = benchmark
        self._data: dict[tuple[str, int], PartData | ForeignData] = {}

    def data(self, split: str, task: int) -> PartData | ForeignData:
        """The samples of ``train``, ``valid`` or ``test`` of a task."""
        key = (split, task)
        if key not in self._data:
            dataset = getattr(self.benchmark, f"{split}_stream")[task].dataset.eval()
            self._data[key] = self.engine.part_data(dataset) or ForeignData(dataset, self.engine.device)
        return self._data[key]

    @property
    def describes(self) -> bool:
        """Whether features can be asked for: of networks of ours, and under our strategies of any model with features.

        A model that needs task labels has none; of what Avalanche's own strategies put in the student's place it is
        not known which layer is the head.
        """
        model = unwrapped(self.engine.model)
        if self.plugin is None or isinstance(model, Network):
            return isinstance(model, Network)
        named = getattr(model, "features", None)
        linear = any(isinstance(module, nn.Linear) for module in model.modules())
        has = linear or (callable(named) and not isinstance(named, nn.Module))
        return has and not self.plugin.adapter.multitask

    def ask(
        self,
        data: PartData | ForeignData,
        index: Tensor | None = None,
        features: bool = False,
        change: Change | None = None,
    ) -> Answers:
        """What the student says about the samples at ``index``, by the batch of evaluation.

        Raises:
            BadCall: if images are to be changed that are not ours, or features are wanted of a model that has none.
        """
        index = torch.arange(len(data.targets)) if index is None else index
        if change is not None and not isinstance(data, PartData):
            raise BadCall("samples of a benchmark with transforms of its own cannot be changed before them")
        if features and not self.describes:
            raise BadCall("the features of this model cannot be asked for")
        said, seen = [], []
        with self._evaluating():
            for number, rows in enumerate(index.split(self.engine.eval_mb_size)):
                raw = data.raw(rows)
                if change is not None and isinstance(data, PartData):
                    x = data.pipeline.eval(raw, partial(_changed, change, number))
                else:
                    x = data.plain(raw)
                label = data.labels[rows].to(self.engine.device)
                said.append(self._logits(x, label).float().cpu())
                if features:
                    seen.append(self._features(self.engine.model, x))
        logits = torch.cat(said) if said else torch.zeros(0, 0)
        return Answers(logits, data.targets[index], torch.cat(seen) if seen else None)

    def ask_raw(self, raw: Tensor, targets: Tensor, labels: Tensor, data: TaskData) -> Answers:
        """What the student says about raw samples, such as those of a memory.

        Args:
            raw: the samples before any view, (N, ...).
            targets: their classes, (N).
            labels: their task labels, (N).
            data: the data of a task, which make the view that evaluation has.
        """
        said = []
        device = self.engine.device
        with self._evaluating():
            for rows in torch.arange(len(raw)).split(self.engine.eval_mb_size):
                x = data.plain(raw[rows.to(raw.device)].to(device))
                said.append(self._logits(x, labels[rows.to(labels.device)].to(device)).float().cpu())
        return Answers(torch.cat(said) if said else torch.zeros(0, 0), targets.cpu())

    def _logits(self, x: Tensor, label: Tensor) -> Tensor:
        engine = self.engine
        with engine.precision_context():
            several = hasattr(engine.experience, "task_labels") if engine.experience is not None else True
            logits: Tensor = avalanche_forward(engine.model, x, label) if several else engine.model(x)
        return self.plugin.predict(logits, x, label) if self.plugin is not None else logits

    def features_of(self, module: nn.Module, data: PartData | ForeignData, index: Tensor) -> Tensor:
        """Features (N, D) that another network built like the student, such as its snapshot, has of these samples.

        In evaluation mode, also of a teacher whose BatchNorm statistics would follow; it is left as it was.

        Raises:
            BadCall: if the network has none.
        """
        with self._evaluating(module):
            pieces = index.split(self.engine.eval_mb_size)
            return torch.cat([self._features(module, data.plain(data.raw(rows))) for rows in pieces])

    def _features(self, module: nn.Module, x: Tensor) -> Tensor:
        with self.engine.precision_context():
            return penultimate(module, x).float().cpu()

    @contextmanager
    def _evaluating(self, module: nn.Module | None = None) -> Iterator[None]:
        """Evaluation mode of the student, or of ``module``, without gradients; afterwards all is as it was."""
        model = self.engine.model if module is None else module
        modes = [(part, part.training) for part in model.modules()]
        with undisturbed(), torch.no_grad():
            model.eval()
            for part, _ in modes:
                # A frozen network does not listen to eval(), and BatchNorm that adapts would follow these samples.
                part.training = False
            try:
                yield
            finally:
                for part, training in modes:
                    part.training = training


def _changed(change: Change, number: int, x: Tensor) -> Tensor:
    return change(x, torch.Generator().manual_seed(number))
