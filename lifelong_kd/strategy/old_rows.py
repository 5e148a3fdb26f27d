"""The classifier's rows of old classes stay what they are while new ones are learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.correction.base import Correction
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.head import Head
from lifelong_kd.phase.base import Stage
from lifelong_kd.teacher.base import Rebuild

__all__ = ["OldRows"]


class OldRows(Correction):
    """After each step the head's rows of old classes are what they were at the task's start.

    In the main training alone. The codes of LUCIR and PODNet give them a learning rate of 0. Put back after
    the step rather than left without a gradient, so that neither momentum nor weight decay moves them.
    Phases with steps of their own, such as balanced fine-tuning, do change them. In a task whose classes
    are all old nothing is held.

    Args:
        head: the kind of head that the method needs.
        called: its name in a configuration.

    Raises:
        BadCall: when a task begins, for a network with another head.
    """

    one_student = True

    def __init__(self, head: type[Head], called: str) -> None:
        self.head = head
        self.called = called
        self._classes: list[int] = []
        self._rows: Tensor | None = None

    def begin_task(self, stage: Stage) -> None:
        weight = self._weight(stage.model)
        self._classes = [column for column in stage.task.old if column not in set(stage.task.new)]
        # The rows as the task's phases leave them are the same: those of new classes alone are imprinted.
        self._rows = weight.detach()[self._classes].clone() if self._classes else None

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        if self._rows is not None:
            weight = self._weight(model)
            weight[self._classes] = self._rows.to(weight)

    def state_dict(self) -> dict[str, Any]:
        return {"classes": self._classes, "rows": self._rows}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        rows = state["rows"]
        self._classes = [int(column) for column in state["classes"]]
        self._rows = rows.clone() if rows is not None else None

    def _weight(self, model: nn.Module) -> Tensor:
        head = getattr(unwrapped(model), "head", None)
        if not isinstance(head, self.head):
            if head is None:
                raise BadCall(
                    f"the strategy needs the head {self.called!r}, but {type(model).__name__} has no head of its own:"
                    f" give a network of lifelong_kd with that head"
                )
            raise BadCall(
                f"the strategy needs the head {self.called!r}, but the network ends in {type(head).__name__}: set"
                f" model.head to {self.called}"
            )
        weight: Tensor = head.get_parameter("weight")
        return weight
