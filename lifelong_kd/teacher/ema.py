"""A running average of the student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.frozen import FrozenTeacher, let_batch_norm_follow

__all__ = ["Ema"]


@dataclass
class _Paired:
    """The average's tensors beside the student's. They are looked up once a task: that takes longer than the update."""

    student: nn.Module
    mine: list[Tensor]
    theirs: list[Tensor]
    copied: list[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, average: nn.Module, student: nn.Module, bn: str) -> _Paired:
        pairs: list[tuple[Tensor, Tensor]] = [*zip(average.parameters(), student.parameters(), strict=True)]
        copied = []
        for own, other in zip(average.buffers(), student.buffers(), strict=True):
            if own.is_floating_point() and bn == "averaged":
                pairs.append((own, other))
            elif bn != "adapt":
                copied.append((own, other))
        return cls(student, [own for own, _ in pairs], [other for _, other in pairs], copied)


class Ema(FrozenTeacher):
    """The exponential moving average of the student's weights (Tarvainen & Valpola 2017, arXiv 1703.01780, section 2).

    After a step, with probability ``update_probability``: ``theta' <- a theta' + (1 - a) theta``. With warm-up
    ``a = min(1 - 1 / (s + 1), decay)`` at the s-th step of the run, so that a young average is not held back by the
    weights that the student began with; without it ``a = decay``. CLS-ER (arXiv 2201.12604) has two: a
    stable one, updated with probability 0.7, and a plastic one with 0.9, both with decay 0.999.

    It begins as a copy of the student after the run's first step and is ready from then on, in the first task already;
    it goes on through all tasks. When the student's head has got new rows, so does the average, at the next step, as
    the student has them by then; a student of another architecture has an average of its own. It changes from step to
    step, so its outputs are never cached.

    Args:
        decay: the share that is kept, in [0, 1).
        update_probability: of an update after a step, in (0, 1].
        warm_up: whether the share begins at 1/2 and rises to ``decay``.
        bn: what BatchNorm normalises by. ``averaged``: running statistics averaged like the weights; ``copied``: the
            student's own, as torch.optim.swa_utils keeps them; ``adapt``: each batch's own, while running ones follow
            the batches that the teacher is shown, as in the code of CLS-ER, whose averages stay in training mode.

    Raises:
        BadCall: if an option is out of range.

    Example:
        >>> Ema(decay=0.999, update_probability=0.7).ready
        False
    """

    def __init__(
        self,
        *,
        decay: float = 0.999,
        update_probability: float = 1.0,
        warm_up: bool = True,
        bn: Literal["averaged", "copied", "adapt"] = "averaged",
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise BadCall(f"decay must lie in [0, 1), got {decay}")
        if not 0 < update_probability <= 1:
            raise BadCall(f"update_probability must be above 0 and at most 1, got {update_probability}")
        if bn not in ("averaged", "copied", "adapt"):
            raise BadCall(f"bn is 'averaged', 'copied' or 'adapt', not {bn!r}")
        self.decay = decay
        self.update_probability = update_probability
        self.warm_up = warm_up
        self.bn = bn
        self.steps = 0
        self._now = 0
        self._paired: _Paired | None = None

    @property
    def adapts(self) -> bool:
        return True

    def begin_task(self, task: Task) -> None:
        self._now = task.index
        self._paired = None

    def succeeded(self) -> None:
        self.module, self.task_index = None, -1
        self.steps = 0
        self._paired = None

    @torch.no_grad()
    def after_step(self, model: nn.Module, generator: torch.Generator) -> None:
        model = unwrapped(model)
        self.steps += 1
        if self.module is None:
            self.keep(model, self._now)
            return
        if self._paired is None or self._paired.student is not model:
            if _shapes(self.module) != _shapes(model):
                self._grow(self.module, model)
            self._paired = _Paired.of(self.module, model, self.bn)
        drawn = float(torch.rand((), generator=generator))
        if drawn >= self.update_probability:
            return
        kept = min(1 - 1 / (self.steps + 1), self.decay) if self.warm_up else self.decay
        # All tensors at once: on a GPU one kernel instead of one each.
        get_ema_multi_avg_fn(kept)(self._paired.mine, self._paired.theirs, 0)
        for own, other in self._paired.copied:
            own.copy_(other)

    def observe(self, model: nn.Module, task: Task) -> None:
        self._paired = None

    def keep(self, model: nn.Module, task_index: int) -> None:
        super().keep(model, task_index)
        self._paired = None
        self._adapt()

    def _adapt(self) -> None:
        if self.bn == "adapt" and self.module is not None:
            let_batch_norm_follow(self.module)

    def _grow(self, old: nn.Module, model: nn.Module) -> None:
        """Become of the student's present structure: rows that there were keep their average, new ones are copied."""
        before = old.state_dict()
        self.keep(model, self._now)
        for name, value in _state(self.module).items():
            was = before.get(name)
            if was is None or not value.is_floating_point():
                continue
            if was.shape == value.shape:
                value.copy_(was)
            elif was.dim() and was.shape[1:] == value.shape[1:] and len(was) < len(value):
                value[: len(was)] = was

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        super().load_state_dict(state, rebuild)
        self._paired = None
        self._adapt()
        self.steps = int(state["steps"])


def _state(module: nn.Module | None) -> Mapping[str, Tensor]:
    return module.state_dict() if module is not None else {}


def _shapes(module: nn.Module) -> list[torch.Size]:
    return [parameter.shape for parameter in module.parameters()]
