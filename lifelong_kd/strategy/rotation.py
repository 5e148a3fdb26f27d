"""PASS's self-supervision: each class turned by 90, 180 and 270 degrees is a class of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Task, Wants
from lifelong_kd.model.head import fresh_rows
from lifelong_kd.model.network import Network
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.columns import pick
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.term import Term

__all__ = ["FEATURES", "RotatedClasses"]

FEATURES = Wants(features=True)
"""What the student and its teacher are asked about rotated samples."""


class RotatedClasses(Term):
    """Cross-entropy over the classes seen in each of four rotations, on the new batch in all four.

    The upright classes have the student's own head; the others have a linear one here, learned beside the
    student by an optimiser of the run's kind at its first learning rate, and not asked in evaluation. One
    softmax over all of them.

    Args:
        temperature: that the logits are divided by, above 0.
        rotations: whether there are any; without, this is the cross-entropy of the new batch.

    Raises:
        BadCall: if the temperature is out of range, or, when a task begins, for another stream than a
            class-incremental one or a network that is not of lifelong_kd.
    """

    one_student = True
    wants = FEATURES

    def __init__(self, *, temperature: float, rotations: bool) -> None:
        super().__init__("new", 1.0)
        if not temperature > 0:
            raise BadCall(f"temperature must be above 0, got {temperature}")
        self.temperature = temperature
        self.rotations = rotations
        self._stage: Stage | None = None
        self._weight: nn.Parameter | None = None
        self._bias: nn.Parameter | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._turned: tuple[Lesson, Batch, Tensor, Tensor] | None = None

    @property
    def stage(self) -> Stage:
        """The task that is being learned."""
        if self._stage is None:
            raise RuntimeError("no task has begun")
        return self._stage

    def begin_task(self, stage: Stage) -> None:
        if stage.task.scenario != "class":
            raise BadCall(
                f"PASS is for class-incremental streams, not {stage.task.scenario}-incremental ones"
            )
        if not isinstance(stage.model, Network):
            raise BadCall(
                f"{type(stage.model).__name__} has no head of its own: give a network of lifelong_kd"
            )
        self._stage = stage
        if self.rotations:
            self._grow(stage, stage.model)

    def _grow(self, stage: Stage, model: Network) -> None:
        have = 0 if self._weight is None else self._weight.shape[1]
        missing, size = model.head.width - have, model.head.feature_size
        with stage.seeds.default(f"rotations/{stage.task.index}"):
            rows, offset = fresh_rows(3 * missing, size, bias=True)
        weight, bias = rows.reshape(3, missing, size), rows.new_zeros(3, missing)
        if offset is not None:
            bias = offset.reshape(3, missing)
        if self._weight is not None and self._bias is not None:
            weight = torch.cat([self._weight.detach().cpu(), weight], dim=1)
            bias = torch.cat([self._bias.detach().cpu(), bias], dim=1)
        self._place(weight, bias)

    def _place(self, weight: Tensor, bias: Tensor) -> None:
        like = next(self.stage.model.parameters()) if self._stage is not None else weight
        self._weight, self._bias = nn.Parameter(weight.to(like)), nn.Parameter(bias.to(like))
        self._optimizer = None
        if self._stage is not None:
            self._optimizer = self._stage.optimizer([self._weight, self._bias])

    def value(self, lesson: Lesson) -> Tensor | None:
        batch, said = lesson.batch("new"), lesson.student("new")
        if batch is None or said.features is None:
            return None
        if self._optimizer is not None:
            self._optimizer.zero_grad()
        logits, features, y, turn = said.logits, said.features, batch.y, torch.zeros_like(batch.y)
        if self.rotations:
            _, more, extra = self.turned(lesson)
            logits, features = torch.cat([logits, more]), torch.cat([features, extra])
            y, turn = batch.y.repeat(4), torch.arange(4, device=y.device).repeat_interleave(len(batch))
        return self.loss(logits, features, y, turn, lesson.task)

    def turned(self, lesson: Lesson) -> tuple[Batch, Tensor, Tensor]:
        """The new batch in its three rotations, and the student's logits and features of it, once a step."""
        if self._turned is None or self._turned[0] is not lesson:
            batch = lesson.batch("new")
            if batch is None or batch.x.dim() != 4 or batch.x.shape[2] != batch.x.shape[3]:
                shape = tuple(batch.x.shape[1:]) if batch is not None else ()
                raise BadCall(f"only square images can be rotated, found {shape}: set rotations to false")
            x = torch.cat([torch.rot90(batch.x, turn, (2, 3)) for turn in (1, 2, 3)])
            copies = Batch(x=x, y=batch.y.repeat(3), label=batch.label.repeat(3), raw=x)
            said = self.stage.say(lesson.model, x, copies.label, FEATURES)
            if said.features is None:
                raise RuntimeError("the network told no features")
            self._turned = (lesson, copies, said.logits, said.features)
        return self._turned[1:]

    def loss(self, logits: Tensor, features: Tensor, y: Tensor, turn: Tensor, task: Task) -> Tensor:
        """Mean cross-entropy over the classes seen, in all rotations, of samples turned ``turn`` times."""
        parts = [pick(logits, task.seen)]
        if self._weight is not None and self._bias is not None:
            parts += [
                pick(F.linear(features, weight, bias), task.seen)
                for weight, bias in zip(self._weight, self._bias, strict=True)
            ]
        column = torch.searchsorted(torch.tensor(task.seen, device=y.device), y)
        return F.cross_entropy(torch.cat(parts, dim=1) / self.temperature, column + turn * len(task.seen))

    def after_step(self, lesson: Lesson) -> None:
        self._turned = None
        if self._optimizer is not None:
            self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        if self._weight is None or self._bias is None:
            return {}
        optimizer = self._optimizer.state_dict() if self._optimizer is not None else None
        return {"weight": self._weight.detach(), "bias": self._bias.detach(), "optimizer": optimizer}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not state:
            return
        self._place(state["weight"].clone(), state["bias"].clone())
        if self._optimizer is not None and state["optimizer"] is not None:
            self._optimizer.load_state_dict(state["optimizer"])
