"""The contract of a memory, and the table of samples that every memory keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.types import Batch, Task, TaskData

__all__ = ["Describe", "Memory", "Samples", "joined", "widened"]

Describe = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Raw samples -> (logits, penultimate features) of the current student in evaluation mode."""

Samples = dict[str, Tensor]
"""Fields of a set of samples by name, each with the sample as first dimension; always ``raw``, ``y``, ``label``."""


class Memory(ABC):
    """Samples of earlier tasks, as a table with fields.

    ``raw`` is the sample before augmentation, ``y`` its class, ``label`` its task label. A strategy that
    needs the ``logits`` a sample had when it was stored says so with ``keep_logits``, one that needs the
    penultimate ``features`` with ``keep_features``. Columns of logits that did not exist at that time are NaN.
    """

    def __init__(self) -> None:
        self.samples: Samples = {}
        self.keep_logits = False
        self.keep_features = False

    def __len__(self) -> int:
        return len(self.samples["y"]) if self.samples else 0

    @property
    def nbytes(self) -> int:
        """Bytes held by the samples and everything stored with them."""
        return sum(field.numel() * field.element_size() for field in self.samples.values())

    def check(self, classes: int, tasks: int = 1, again: int = 1) -> None:
        """Refuse, before anything is trained, what the memory cannot keep.

        Args:
            classes: how many there will be.
            tasks: how many there will be.
            again: in how many tasks one class comes, at most.

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
        """The samples at ``index``, with ``slot``: the row of the table where each is kept (int64, on the CPU).

        A row belongs to the same sample until the memory chooses again.
        """
        return {**self.rows(index), "slot": index.to("cpu", torch.int64)} if self.samples else {}

    def rows(self, index: Tensor) -> Samples:
        """The stored fields at ``index``, and nothing else."""
        return {name: field.index_select(0, index.to(field.device)) for name, field in self.samples.items()}

    def rewrite(self, slots: Tensor, name: str, values: Tensor) -> None:
        """Overwrite one stored field of some samples.

        X-DER (Boschini et al. 2022, arXiv 2201.00766) does so with the logits of classes that came later.

        Args:
            slots: rows as :meth:`draw` and :meth:`take` give them in ``slot``, none twice; shape (n,).
            name: the field.
            values: what is stored from now on, shape (n, ...). Logits may have more columns than those stored, whose
                missing ones become NaN, or fewer, and are then NaN in the others.

        Raises:
            BadCall: for a field that is not stored, a row that is not there, or values of another shape.
        """
        if name not in self.samples:
            hint = nearest(name, self.samples)
            raise BadCall(
                f"the memory stores no field {name!r}."
                + (f" Did you mean {hint!r}?" if hint else "")
                + f" Stored: {', '.join(self.samples) or 'nothing yet'}."
            )
        slots = slots.to("cpu", torch.int64)
        if len(slots) and not 0 <= int(slots.min()) <= int(slots.max()) < len(self):
            raise BadCall(
                f"the memory has rows 0 to {len(self) - 1}, found {int(slots.min())} to {int(slots.max())}"
            )
        field, values = self.samples[name], values.detach()
        if name == "logits" and values.ndim == 2:
            field = widened(field, values.shape[1])
            values = widened(values, field.shape[1])
        if values.shape != (len(slots), *field.shape[1:]):
            raise BadCall(
                f"{len(slots)} rows of {name!r} have shape {(len(slots), *field.shape[1:])},"
                f" found values of shape {tuple(values.shape)}"
            )
        # A table that somebody has taken for a checkpoint stays as it was.
        self.samples[name] = field.index_copy(0, slots.to(field.device), values.to(field))

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


def joined(parts: list[Samples]) -> Samples:
    """Several sets of samples as one, their logits widened to the widest; nothing for no parts.

    >>> joined([{"logits": torch.ones(1, 1)}, {"logits": torch.ones(1, 2)}])["logits"]
    tensor([[1., nan],
            [1., 1.]])
    """
    if not parts:
        return {}
    width = max(part["logits"].shape[1] for part in parts) if "logits" in parts[0] else 0
    fields = [
        {name: widened(field, width) if name == "logits" else field for name, field in part.items()}
        for part in parts
    ]
    return {name: torch.cat([part[name] for part in fields]) for name in fields[0]}


def widened(field: Tensor, width: int) -> Tensor:
    """Stored logits with NaN columns appended up to ``width``."""
    missing = width - field.shape[1]
    if missing <= 0:
        return field
    return torch.cat([field, field.new_full((len(field), missing), torch.nan)], dim=1)
