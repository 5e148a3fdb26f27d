"""The student and an average of it, averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.correction.kept import Kept
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.phase.base import Stage
from lifelong_kd.teacher.base import Rebuild, Teacher
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.frozen import FrozenTeacher

__all__ = ["AveragedWeights"]


class AveragedWeights(Correction):
    """Averaged weights: predictions are those of ``(1 - share) * student + share * teacher``, parameter by parameter.

    The average is made at the end of each task, of parameters and of statistics alike; the student goes on
    unchanged. Before the end of the first task, and while a task is being learned, the student itself is
    asked. It works in every scenario.

    Papers: Michel et al. 2024, "Rethinking Momentum Knowledge Distillation in Online Continual Learning",
    arXiv 2309.02870 (share 0.5, with the moving average of the student as the teacher); Arani et al. 2022,
    CLS-ER, arXiv 2201.12604, which predicts by its stable average alone (share 1).

    Args:
        teacher: a teacher that is one network of the student's structure, such as ``ema``.
        share: of the teacher's weights, in [0, 1].

    Raises:
        BadCall: if ``share`` is out of range or the teacher is no single network.

    Example:
        >>> from lifelong_kd.teacher.ema import Ema
        >>> AveragedWeights(Ema(), share=1.0).ready
        False
    """

    def __init__(self, teacher: Annotated[object, Component("teacher")], *, share: float = 0.5) -> None:
        if not isinstance(teacher, FrozenTeacher):
            raise BadCall(
                f"weights are averaged with a teacher that is one network, such as 'ema', not {type(teacher).__name__}"
            )
        if not 0 <= share <= 1:
            raise BadCall(f"share must lie in [0, 1], got {share}")
        self.teacher = teacher
        self.share = share
        # An average of the student's own begins anew with it; any other teacher is the student of another task.
        self.one_student = not isinstance(teacher, Ema)
        self._average = Kept()

    @property
    def ready(self) -> bool:
        return self._average.module is not None

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return (self.teacher,)

    def begin(self, device: torch.device) -> None:
        self._average.place(device)

    @torch.no_grad()
    def fit(self, stage: Stage) -> None:
        other = self.teacher.module
        if other is None:
            # A teacher that begins with the second task, such as a snapshot.
            return
        mine, theirs = unwrapped(stage.model).state_dict(), other.state_dict()
        if {name: value.shape for name, value in mine.items()} != {
            name: value.shape for name, value in theirs.items()
        }:
            raise BadCall(
                f"the network of {type(self.teacher).__name__} is not built like the student: their weights cannot be"
                " averaged"
            )
        average = self._average.keep(stage.model, stage.task.index).state_dict()
        for name, value in average.items():
            if value.is_floating_point():
                value.lerp_(theirs[name].to(value), self.share)
            elif self.share:
                value.copy_(theirs[name])

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        if self._average.module is None:
            return logits
        return asked.answer(self._average.module)

    def state_dict(self) -> dict[str, Any]:
        return self._average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        self._average.load_state_dict(state, rebuild)
