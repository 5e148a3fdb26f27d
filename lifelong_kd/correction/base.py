"""The contract of a correction: what is done to the outputs, or the weights, when a task has been learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Task
from lifelong_kd.phase.base import Stage
from lifelong_kd.teacher.base import Rebuild, Teacher

__all__ = ["Asked", "Correction"]


@dataclass
class Asked:
    """A batch in evaluation: ``x`` and task ``label`` of the samples, and what the student says about them.

    ``features()`` are the student's penultimate features; ``answer(module)`` the logits of another network.
    """

    x: Tensor
    label: Tensor
    task: Task
    features: Callable[[], Tensor]
    answer: Callable[[nn.Module], Tensor]


class Correction:
    """A rule of inference, or a change of the classifier, that is fitted at the end of each task."""

    in_training: ClassVar[bool] = False
    """Whether the student's logits are corrected while it is trained, too; such a correction has ``rectify``."""

    needs_memory: ClassVar[bool] = False
    """Whether it can be fitted only with a memory."""

    one_student: bool = False
    """Whether it keeps of earlier students what only a student of the same architecture can be compared with."""

    needs_held: ClassVar[bool] = False
    """Whether it is fitted on samples that the strategy keeps out of training."""

    @property
    def ready(self) -> bool:
        """Whether it has been fitted yet."""
        return True

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """The teachers that this correction asks."""
        return ()

    def begin(self, device: torch.device) -> None:
        """Told once, before the first task."""

    def begin_task(self, stage: Stage) -> None:
        """Told when a task begins, before its first step; when it is resumed, too."""

    def after_step(self, model: nn.Module) -> None:
        """Told after each step of the optimiser."""

    def fit(self, stage: Stage) -> None:
        """Learn from the task that has just been learned, or change the student's classifier."""

    def rectify(self, logits: Tensor) -> Tensor:
        """Logits (batch, columns) as they are corrected in training and in evaluation; differentiable."""
        return logits

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        """Scores of shape (batch, columns) in evaluation, the largest of which is the prediction."""
        return self.rectify(logits)

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        """Take back what :meth:`state_dict` gave; ``rebuild`` makes networks of an earlier task's structure."""
