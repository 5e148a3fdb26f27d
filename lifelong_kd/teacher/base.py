"""The contract of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Batch, Task

__all__ = ["Forward", "Logits", "Rebuild", "Teacher"]

Logits = Tensor | dict[int, Tensor]
"""Logits of shape (batch, columns), or one such tensor a task label from a model that has a head for each."""

Rebuild = Callable[[int], nn.Module]
"""Task index -> a network of the structure that the student had after that task, weights not yet loaded."""


class Forward(Protocol):
    """How a model is called: precision, task labels and several heads are its business alone."""

    def __call__(self, module: nn.Module, x: Tensor, label: Tensor) -> Logits:
        """Logits of ``x``."""


class Teacher(ABC):
    """A source of a signal, with everything that keeps the source from changing.

    A teacher is silent (``ready`` is false) until it has something to say. It is never part of the student: not in its
    parameters, not in its ``state_dict``, not in the next snapshot.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What this teacher can say."""

    needs_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that a memory has to keep for this teacher."""

    sources: ClassVar[frozenset[str]] = frozenset({"new", "memory", "memory2"})
    """The data on which this teacher can say anything."""

    adapts: ClassVar[bool] = False
    """Whether teaching may change the teacher; one that does not stays bitwise the same."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether the teacher has something to say yet."""

    def begin(self, forward: Forward, device: torch.device) -> None:
        """Told once, before the first task, how models are called and where."""

    def observe(self, model: nn.Module, task: Task) -> None:
        """Told at the end of ``task`` what the student has become."""

    @abstractmethod
    def teach(self, batch: Batch) -> Logits:
        """What the teacher says about ``batch``; carries no gradient."""

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        """Take back what :meth:`state_dict` gave."""
