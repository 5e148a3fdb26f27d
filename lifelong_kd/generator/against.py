"""A frozen solver as a data-free generator sees it: raw samples in, logits of its classes out, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Task, TaskData, Wants
from lifelong_kd.generator.likelihood import fitting
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["Against"]


class Against:
    """The previous model, the classes that it knows, and what raw samples look like.

    Args:
        solver: the previous model; it must be there.
        task: the task that begins.
        data: its training data, of which only the shape, the range and the views are used.
        device: where samples are made.

    Raises:
        BadCall: for a model that has to be told task labels.
    """

    def __init__(self, solver: Snapshot, task: Task, data: TaskData, device: torch.device) -> None:
        sample = data.raw(torch.zeros(1, dtype=torch.int64))
        self.shape: tuple[int, ...] = tuple(sample.shape[1:])
        # As pixels do: what is made may not leave the range of what the views are made of.
        self.bounded = fitting("auto", data) == "bernoulli"
        self.device = device
        self.classes = torch.tensor(task.old, device=device)
        self._solver = solver
        self._data = data
        self._label = task.label

    @property
    def is_image(self) -> bool:
        """Whether samples have rows and columns of pixels."""
        return len(self.shape) == 3

    @property
    def module(self) -> nn.Module:
        """The frozen network itself."""
        if self._solver.module is None:
            raise RuntimeError("a data-free generator was asked before there was a previous model")
        return self._solver.module

    def logits(self, raw: Tensor) -> Tensor:
        """The solver's logits of its own classes, shape (batch, classes); they can be differentiated by ``raw``."""
        label = torch.full((len(raw),), self._label, dtype=torch.int64, device=raw.device)
        batch = Batch(x=self._data.plain(raw), y=label, label=label, raw=raw)
        said = self._solver.ask(batch, Wants(gradients=True))
        if said.heads is not None:
            raise BadCall(
                "a data-free generator needs logits of all classes at once, which a model that is told task labels does"
                " not give; use a network of lifelong_kd"
            )
        return said.logits[:, self.classes]
