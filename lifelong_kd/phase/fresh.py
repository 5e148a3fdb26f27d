"""A student that begins each task anew."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.phase.base import Phase, Stage, When

__all__ = ["FreshStart", "begin_anew"]


@torch.no_grad()
def begin_anew(stage: Stage, model: nn.Module, name: str) -> None:
    """Give every parameter and statistic of ``model`` the value of a network that has learned nothing; in place.

    Drawn from a seed of the run called ``name`` and the task, whatever else has been drawn.

    Raises:
        BadCall: for a network that cannot be drawn anew.
    """
    with stage.seeds.default(f"{name}/{stage.task.index}"):
        model.load_state_dict(fresh_copy(model).state_dict())


class FreshStart(Phase):
    """Fresh start: at a task's start all weights of the student are drawn anew, its head's included.

    What it knew is then with its teachers alone: so begins the student of Deep Model Consolidation (Zhang et
    al. 2020, arXiv 1903.07864). Parameters stay the same objects, so that the optimiser goes on with them; a
    pretrained backbone loses what it was trained on.

    Args:
        first_task: whether the weights that the run began with are drawn anew as well.

    Example:
        >>> FreshStart().when
        'before'
    """

    when: ClassVar[When] = "before"

    def __init__(self, *, first_task: bool = False) -> None:
        self.first_task = first_task

    def begins_anew(self, task: int) -> bool:
        return task > 0 or self.first_task

    def run(self, stage: Stage) -> None:
        if self.begins_anew(stage.task.index):
            begin_anew(stage, stage.model, "phase/fresh_start")
