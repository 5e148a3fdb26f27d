"""X-DER's caps: the logits of other tasks' classes stay below those of a sample's own task."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.strategy.columns import pick
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.replayed import replayed
from lifelong_kd.strategy.term import Term

__all__ = ["FutureCap", "PastCap", "excess"]


def excess(other: Tensor, own: Tensor, margin: float) -> Tensor:
    """By how much the largest of the others comes too near to the largest of the own.

    ``max(other) + margin - max(own)``, averaged over the samples for which it is positive; 0 if there are
    none (Boschini et al. 2022, arXiv 2201.00766, section 4; the mean over violators is that of
    the code).

    Args:
        other: shape (batch, some classes).
        own: shape (batch, other classes).
        margin: at least 0.

    >>> excess(torch.tensor([[1.0], [0.0]]), torch.tensor([[0.5], [3.0]]), 0.25)
    tensor(0.7500)
    """
    over = (other.amax(dim=1) + margin - own.amax(dim=1)).clamp_min(0)
    return over.sum() / (over > 0).sum().clamp_min(1)


class PastCap(Term):
    """On the new batch: old classes' probabilities stay ``margin`` below the new ones'.

    Only the new ones are moved: no gradient flows into the old ones. Silent in a task without a class of its
    own.

    Paper: X-DER, Boschini et al. 2022, arXiv 2201.00766.

    Args:
        margin: at least 0.
        weight: when and how much: a schedule, a number or a list.
    """

    def __init__(
        self,
        *,
        margin: float = 0.7,
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__("new", weight)
        self.margin = checked(margin)

    def value(self, lesson: Lesson) -> Tensor | None:
        task = lesson.task
        if not task.old or not set(task.new) - set(task.old):
            return None
        probability = torch.softmax(pick(lesson.student("new").logits, task.seen), dim=1)
        known = torch.isin(torch.tensor(task.seen), torch.tensor(task.old)).to(probability.device)
        return excess(probability[:, known].detach(), probability[:, ~known], self.margin)


class FutureCap(Term):
    """On new and replayed samples: logits of classes to come stay ``margin`` below those of the own task.

    Silent in the last task, and for a head that grows and has no such columns yet.

    Paper: X-DER, Boschini et al. 2022, arXiv 2201.00766.

    Args:
        margin: at least 0.
        weight: when and how much: a schedule, a number or a list.
    """

    def __init__(
        self,
        *,
        margin: float = 0.7,
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__("new", weight)
        self.margin = checked(margin)

    def value(self, lesson: Lesson) -> Tensor | None:
        task, logits = lesson.task, lesson.student("new").logits
        future = tuple(sorted(set(range(logits.shape[1])) - set(task.seen)))
        if not future:
            return None
        others, owns = [pick(logits, future)], [pick(logits, task.new).amax(dim=1, keepdim=True)]
        found = replayed(lesson)
        if found is not None:
            batch, said = found
            own = torch.zeros_like(said, dtype=torch.bool)
            for group in (*task.history, task.new):
                columns = torch.tensor(group, device=said.device)
                own[:, columns] |= torch.isin(batch.y, columns)[:, None]
            others.append(pick(said, future))
            owns.append(said.masked_fill(~own, -torch.inf).amax(dim=1, keepdim=True))
        return excess(torch.cat(others), torch.cat(owns), self.margin)


def checked(margin: float) -> float:
    """``margin``, if it is at least 0."""
    if not margin >= 0:
        raise BadCall(f"margin must be at least 0, got {margin}")
    return margin
