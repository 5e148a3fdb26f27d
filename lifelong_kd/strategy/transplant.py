"""X-DER's memory of logits: what was stored is completed by what the student has learned since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory.base import Memory, widened
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.replayed import replayed
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.stored import Stored

__all__ = ["Transplant", "transplanted"]

AT_ONCE = 1024
"""Stored samples passed through the student at a time when a task ends."""


def transplanted(implant: Tensor, truth: Tensor, gamma: float) -> Tensor:
    """Logits of other classes, shrunk where they would outdo the true class's.

    ``z * min(1, gamma * z_true / max z)`` for a sample whose largest implanted logit exceeds that of the
    true class (Boschini et al. 2022, arXiv 2201.00766, section 4). Where the true class's is not positive
    that factor would turn signs: there each logit is cut off at it, which paper and code leave open.

    Args:
        implant: logits of other classes, shape (batch, classes); NaN stays NaN.
        truth: the true class's logit, shape (batch,).
        gamma: in (0, 1].

    Returns:
        The shape of ``implant``.

    >>> transplanted(torch.tensor([[4.0, 1.0], [1.0, 0.5]]), torch.tensor([2.0, 2.0]), 0.5)
    tensor([[1.0000, 0.2500],
            [1.0000, 0.5000]])
    """
    truth = truth[:, None]
    top = implant.nan_to_num(nan=-torch.inf).amax(dim=1, keepdim=True)
    factor = torch.where((top > truth) & (truth > 0), gamma * truth / top, 1.0)
    return torch.where(truth > 0, implant * factor, torch.minimum(implant, truth))


class Transplant(Distill):
    """The distance to stored logits, of which those of later classes are rewritten.

    Whenever a stored sample of an old class is replayed for the k-th time in a task, its logits of all
    classes but the old ones are overwritten with probability 1 / k by what the student says (see
    :func:`transplanted`); at the end of the task once more for all, and a new exemplar's logits of old
    classes are shrunk likewise.

    Paper: X-DER, Boschini et al. 2022, arXiv 2201.00766, whose gamma is 0.85.

    Args:
        gamma: share of the true class's logit that others may have at most, in (0, 1].
        weight: when and how much: a schedule, a number or a list.

    Raises:
        BadCall: if gamma is out of range, or, when a task begins, in a domain-incremental stream.
    """

    def __init__(
        self,
        *,
        gamma: float = 0.85,
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__(Stored(), Mse(), source="memory", weight=weight, over="all")
        if not 0 < gamma <= 1:
            raise BadCall(f"gamma must lie in (0, 1], got {gamma}")
        self.gamma = gamma
        self._times = torch.zeros(0, dtype=torch.int64)
        self._memory: Memory | None = None
        self._seeds = Seeds(0)

    def begin_task(self, stage: Stage) -> None:
        if stage.task.scenario == "domain":
            raise BadCall(
                "X-DER tells past, present and future classes apart, and in a domain-incremental stream they are the"
                " same: use derpp"
            )
        self._memory, self._seeds = stage.memory, stage.seeds
        self._times = torch.zeros(len(stage.memory) if stage.memory is not None else 0, dtype=torch.int64)

    def after_step(self, lesson: Lesson) -> None:
        found = replayed(lesson)
        if found is None or self._memory is None:
            return
        batch, logits = found
        slots = batch.fields["slot"].cpu()
        # A reservoir goes on filling within the task.
        missing = int(slots.max()) + 1 - len(self._times)
        if missing > 0:
            self._times = torch.cat([self._times, self._times.new_zeros(missing)])
        self._times[slots] += 1
        drawn = torch.rand(len(slots), generator=self._seeds.generator("transplant"))
        chosen = drawn * self._times[slots] < 1
        chosen &= torch.isin(batch.y.cpu(), torch.tensor(lesson.task.old))
        rows = chosen.nonzero().squeeze(1).to(batch.y.device)
        if len(rows):
            values = self._completed(
                batch.fields["logits"][rows], logits[rows].detach(), batch.y[rows], lesson.task
            )
            self._memory.rewrite(slots[chosen], "logits", values)

    def end_task(self, stage: Stage) -> None:
        memory, task = stage.memory, stage.task
        if memory is None or not len(memory):
            return
        kept = memory.take(torch.arange(len(memory)))
        said = torch.cat([stage.describe(part)[0] for part in kept["raw"].split(AT_ONCE)])
        said = said.to(kept["logits"].device)
        old = torch.isin(kept["y"], torch.tensor(task.old, device=kept["y"].device))
        values = self._completed(kept["logits"], said, kept["y"], task)
        if task.old:
            mine = widened(kept["logits"], values.shape[1])[~old]
            truth = mine.gather(1, kept["y"][~old, None]).squeeze(1)
            columns = list(task.old)
            mine[:, columns] = transplanted(mine[:, columns], truth, self.gamma)
            values[~old] = mine
        else:
            values = kept["logits"]
        memory.rewrite(kept["slot"], "logits", values)

    def _completed(self, stored: Tensor, said: Tensor, y: Tensor, task: Task) -> Tensor:
        """Stored logits whose columns of new and future classes are what the student says now."""
        values = widened(stored, said.shape[1]).clone()
        columns = [column for column in range(said.shape[1]) if column not in set(task.old)]
        truth = values.gather(1, y[:, None]).squeeze(1)
        implant = said[:, columns].to(values)
        values[:, columns] = transplanted(
            implant.masked_fill(implant == ABSENT, torch.nan), truth, self.gamma
        )
        return values

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "times": self._times}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._times = state["times"].cpu().clone()
