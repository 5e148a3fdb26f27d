"""AFC's importance of channels: how much the loss of a finished task depends on each of them."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Wants
from lifelong_kd.knowledge.afc import Afc, channel_importance
from lifelong_kd.phase.base import Stage
from lifelong_kd.phase.fit import batches
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.base import Teacher

__all__ = ["Important"]


class Important(Distill):
    """The distance of the maps' channels, weighted by their importance to the last task.

    ``I_c = E || dL / dA_c ||^2`` over one pass of that task's data and the exemplars, L the task loss and
    A_c the channel's map (Kang et al. 2022, arXiv 2204.00895, section 3), with the student as it is when
    all else of the task is done, in evaluation mode; scaled to mean 1 in every stage.

    Args:
        teacher: the student before this task.
        weight: when and how much: a schedule, a number or a list.
    """

    one_student = True

    def __init__(
        self,
        teacher: Annotated[Teacher, Component("teacher")],
        *,
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        self.afc = Afc()
        super().__init__(teacher, self.afc, weight=weight)

    def end_task(self, stage: Stage) -> None:
        model = stage.model
        modes = {part: part.training for part in model.modules()}
        model.eval()
        sums: list[Tensor] = []
        for batch in batches(stage, "new_and_memory", "importance"):
            said = stage.say(model, batch.x, batch.label, Wants(maps=True, gradients=True))
            loss = stage.loss(said.logits, batch.y, batch.label)
            # Of the sum over the samples: each one's gradient is then its own, whatever the size of its batch.
            gradients = torch.autograd.grad(loss * len(batch), list(said.maps.values()))
            each = [importance * len(batch) for importance in channel_importance(gradients)]
            sums = [a + b for a, b in zip(sums, each, strict=True)] if sums else each
        for part, mode in modes.items():
            part.training = mode
        self.afc.set_importance(sums)
