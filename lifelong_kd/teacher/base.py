"""The contract of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, TaskData, Wants

__all__ = ["Forward", "Rebuild", "Teacher", "networks"]

Rebuild = Callable[[int], nn.Module]
"""Task index -> a network of the structure that the student had after that task, weights not yet loaded."""

EVERYTHING = frozenset({"logits", "features", "maps", "gradients"})
"""What a network can say."""


class Forward(Protocol):
    """How a model is called: precision, task labels and several heads are its business alone."""

    def __call__(
        self,
        module: torch.nn.Module,
        x: torch.Tensor,
        label: torch.Tensor,
        wants: Wants = LOGITS,
        at: str | None = None,
    ) -> Said:
        """What ``module`` says about ``x``: samples, or outputs of its stage ``at``."""


class Teacher(ABC):
    """A source of a signal, with everything that keeps the source from changing.

    A teacher is silent (``ready`` is false) until it has something to say. It is never part of the student: not in its
    parameters, not in its ``state_dict``, not in the next snapshot.
    """

    offers: frozenset[str] = frozenset({"logits"})
    """What this teacher can say: of ``logits``, ``features``, ``maps`` and ``gradients``."""

    needs_fields: frozenset[str] = frozenset()
    """Fields that a memory has to keep for this teacher."""

    sources: frozenset[str] = frozenset({"new", "memory", "memory2", "external", "generated"})
    """The data on which this teacher can say anything."""

    origin: Mapping[str, str] | None = None
    """Of a teacher that was read from elsewhere, the ``name`` and ``digest`` of the model it was read from."""

    @property
    def adapts(self) -> bool:
        """Whether teaching may change the teacher; one that does not stays bitwise the same."""
        return False

    @property
    def members(self) -> tuple[Teacher, ...]:
        """The teachers that this one asks; they are told everything that it is told, before it, each once."""
        return ()

    @property
    def columns(self) -> tuple[int, ...] | None:
        """The classes that this teacher knows, sorted; ``None`` if it is every column of what it says.

        Columns of other classes are NaN in its logits, so that a term that compares them by mistake does not go unseen.
        """
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of the stream's samples that it keeps between two tasks; nothing for most."""
        return 0

    def earlier_students(self, task: int) -> Sequence[int]:
        """The earlier tasks after which the student had the weights that this teacher has during ``task``."""
        return ()

    def check_columns(self, columns: Sequence[str]) -> None:
        """Refuse a stream whose columns stand for other classes than this teacher's.

        Args:
            columns: what the class of each column is called.

        Raises:
            BadCall: saying which do not fit.
        """

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether the teacher has something to say yet."""

    def begin(self, forward: Forward, device: torch.device) -> None:
        """Told once, before the first task, how models are called and where."""

    def begin_task(self, task: Task) -> None:
        """Told when a task begins, before its first step."""

    def study(self, task: Task, data: TaskData, seeds: Seeds) -> None:
        """Told right after :meth:`begin_task` what the task is trained on; for a teacher that learns from it.

        A resumed task tells it again: what is drawn comes from ``seeds.derive`` and names of the teacher's own.
        """

    def succeeded(self) -> None:
        """Told before a task begins whose student is another network than the one before.

        What follows the student's weights begins anew; what has kept an earlier student goes on teaching.
        """

    def after_step(self, model: nn.Module, generator: torch.Generator) -> None:
        """Told what the student has become after a step; for a teacher that follows it."""

    def observe(self, model: nn.Module, task: Task) -> None:
        """Told at the end of ``task`` what the student has become."""

    @abstractmethod
    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        """What the teacher says about ``batch``; carries no gradient to any parameter.

        Where ``wants.gradients`` is set the logits can be differentiated with respect to the maps.
        """

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        """Take back what :meth:`state_dict` gave."""


def networks(teacher: Teacher) -> Iterator[nn.Module]:
    """The networks that a teacher itself holds, not those of its members."""
    for value in vars(teacher).values():
        held = (
            value.values()
            if isinstance(value, dict)
            else value
            if isinstance(value, list | tuple)
            else [value]
        )
        yield from (one for one in held if isinstance(one, nn.Module))
