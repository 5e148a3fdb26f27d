"""The model as it was after the previous task."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.cache import OutputCache
from lifelong_kd.teacher.frozen import FrozenTeacher, let_batch_norm_follow

__all__ = ["Corrects", "Snapshot"]


class Corrects(Protocol):
    """Something that changes logits and belongs to the student, such as the bias layers of BiC."""

    def rectify(self, logits: Tensor) -> Tensor:
        """Corrected logits, shape (batch, columns)."""

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


class Snapshot(FrozenTeacher):
    """The student as it was at the end of the previous task, frozen, in evaluation mode (Li & Hoiem 2016).

    One deep copy a task; parameters and buffers, BatchNorm statistics included, stay bitwise what they were.
    ``module`` is the frozen network, ``None`` during the first task.

    Args:
        bn: ``frozen`` keeps BatchNorm statistics; ``adapt`` normalises by those of the batch and lets the running ones
            follow the new data, as in teacher adaptation (Szatkowski et al. 2024, arXiv 2308.09544, section 3.2). Such
            a teacher changes while it teaches, so its outputs are never cached.
    """

    def __init__(self, *, bn: Literal["frozen", "adapt"] = "frozen") -> None:
        super().__init__()
        if bn not in ("frozen", "adapt"):
            raise BadCall(f"bn is 'frozen' or 'adapt', not {bn!r}")
        self.bn = bn
        self.cache: OutputCache | None = None
        self.checking = False
        self._correction: Corrects | None = None
        self._corrected: Corrects | None = None

    @property
    def adapts(self) -> bool:
        return self.bn == "adapt"

    def earlier_students(self, task: int) -> Sequence[int]:
        return range(max(task - 1, 0), task)

    def corrected_by(self, correction: Corrects) -> Self:
        """Let each snapshot teach what the student says after ``correction``, as it was then (BiC)."""
        self._correction = correction
        return self

    def observe(self, model: nn.Module, task: Task) -> None:
        self.keep(model, task.index)
        self._corrected = copy.deepcopy(self._correction)
        self._adapt()
        self.cache = None

    def _adapt(self) -> None:
        if self.module is not None and self.bn == "adapt":
            let_batch_norm_follow(self.module)

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        cached = self.cache if batch.index is not None else None
        if cached is None or batch.index is None:
            return self.ask(batch, wants)
        if not self.checking:
            return cached.get(batch.index)
        fresh = self.ask(batch, wants)
        cached.check(batch.index, fresh)
        return fresh

    def ask(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        said = super().ask(batch, wants)
        if self._corrected is not None:
            with torch.set_grad_enabled(wants.gradients):
                said.logits = self._corrected.rectify(said.logits)
        return said

    def state_dict(self) -> dict[str, Any]:
        corrected = self._corrected.state_dict() if self._corrected is not None else None
        return {**super().state_dict(), "corrected": corrected}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        super().load_state_dict(state, rebuild)
        self._adapt()
        self.cache = None
        self._corrected = None
        if state["corrected"] is not None and self._correction is not None:
            self._corrected = copy.deepcopy(self._correction)
            self._corrected.load_state_dict(state["corrected"])
