"""The contract of a memory, and the table of samples that every memory keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch, Task, TaskData

__all__ = ["Describe", "Memory", "Samples"]

Describe = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Raw samples -> (logits, penultimate features) of the current student in evaluation mode."""

Samples = dict[str, Tensor]
"""Fields of a set of samples by name, each with the sample as first dimension; always ``raw``, ``y``, ``label``."""


class Memory(ABC):
    """Samples of earlier tasks, as a table with fields.

    ``raw`` is the sample before augmentation, ``y`` its class, ``label`` its task label. A strategy that
    needs the ``logits`` a sample had when it was stored says so with ``keep_logits``. Columns of logits that
    did not exist at that time are NaN.
    """

    def __init__(self) -> None:
        self.samples: Samples = {}
        self.keep_logits = False

    def __len__(self) -> int:
        return len(self.samples["y"]) if self.samples else 0

    @property
    def nbytes(self) -> int:
        """Bytes held by the samples and everything stored with them."""
        return sum(field.numel() * field.element_size() for field in self.samples.values())

    def check(self, classes: int) -> None:
        """Refuse a budget that cannot serve ``classes`` classes, before anything is trained.

        Raises:
            BadCall: saying what would do.
        """

    def observe(self, batch: Batch, logits: Tensor, generator: torch.Generator) -> None:
        """Take notice of a training batch after its step; for memories that choose as the data pass by."""

    def consolidate(self, task: Task, data: TaskData, describe: Describe, generator: torch.Generator) -> None:
        """Choose from a finished task's data; for memories that choose at the end of a task."""

    @property
    @abstractmethod
    def chooses(self) -> str:
        """``"step"`` if samples are taken as they pass by, ``"task"`` if at the end of each task."""

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """At most ``count`` samples, uniformly and without replacement."""
        index = torch.randperm(len(self), generator=generator)[:count]
        return self.take(index)

    def take(self, index: Tensor) -> Samples:
        """The samples at ``index``."""
        return {name: field.index_select(0, index.to(field.device)) for name, field in self.samples.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"samples": dict(self.samples), "extra": self.extra_state()}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        self.samples = {name: field.to(device, copy=True) for name, field in state["samples"].items()}
        self.load_extra_state(state["extra"])

    def extra_state(self) -> dict[str, Any]:
        """What else a memory has to remember across a restart."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`extra_state` gave."""


def widened(field: Tensor, width: int) -> Tensor:
    """Stored logits with NaN columns appended up to ``width``."""
    missing = width - field.shape[1]
    if missing <= 0:
        return field
    return torch.cat([field, field.new_full((len(field), missing), torch.nan)], dim=1)
