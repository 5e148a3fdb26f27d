"""LUCIR's margin between an old class and the new classes that are mistaken for it."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.model.cosine import CosineHead
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.columns import pick
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.term import Term

__all__ = ["MarginRanking", "margin_ranking_loss"]


def margin_ranking_loss(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """How far the similarities to the wrong classes come within ``margin`` of the one to the right class.

    ``mean_k max(margin - positive + negative_k, 0)`` (LUCIR: Hou et al. 2019; the mean over the k
    hardest classes is that of the authors' code, the paper has their sum).

    Args:
        positive: similarity to the true class, shape (batch,).
        negative: similarities to other classes, shape (batch, k).
        margin: at least 0.

    Returns:
        One value a sample, shape (batch,).

    >>> margin_ranking_loss(torch.tensor([0.5]), torch.tensor([[0.25, -1.0]]), 0.5)
    tensor([0.1250])
    """
    return (margin - positive[:, None] + negative).clamp_min(0).mean(dim=1)


class MarginRanking(Term):
    """Exemplars of old classes in the training batch keep a margin to the new classes nearest to them.

    On cosines, i.e. logits of the cosine head over its sigma; mean over the exemplars. Silent where there
    are none, where a task brings no class of its own, and where task labels keep old and new classes from
    competing.

    Args:
        k: how many of the new classes with the largest cosines are pushed away.
        margin: by which the true class must be ahead of each.
        weight: when and how much: a schedule, a number or a list.

    Raises:
        BadCall: if an option is out of range, or, when a task begins, for a network without a cosine head.
    """

    def __init__(
        self,
        *,
        k: int = 2,
        margin: float = 0.5,
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__("new", weight)
        if k < 1:
            raise BadCall(f"k must be at least 1, got {k}")
        if not margin >= 0:
            raise BadCall(f"margin must be at least 0, got {margin}")
        self.k = k
        self.margin = margin

    def begin_task(self, stage: Stage) -> None:
        need_cosine(stage)

    def value(self, lesson: Lesson) -> Tensor | None:
        batch, task = lesson.batch("new"), lesson.task
        old = set(task.old)
        fresh = tuple(sorted(set(task.new) - old))
        if batch is None or not old or not fresh or task.scenario == "task":
            return None
        rows = (~torch.isin(batch.y, torch.tensor(fresh, device=batch.y.device))).nonzero().squeeze(1)
        if not len(rows):
            return None
        # The gradient to sigma cancels, as it must: cosines do not depend on it.
        cosines = lesson.student("new").logits[rows] / need_cosine(lesson).sigma
        positive = cosines.gather(1, batch.y[rows, None]).squeeze(1)
        hardest = pick(cosines, fresh).topk(min(self.k, len(fresh)), dim=1).values
        return margin_ranking_loss(positive, hardest, self.margin).mean()


def need_cosine(where: Stage | Lesson) -> CosineHead:
    """The student's cosine head.

    Raises:
        BadCall: if it has another.
    """
    head = getattr(where.model, "head", None)
    if not isinstance(head, CosineHead):
        raise BadCall(
            f"LUCIR compares cosines, but the network ends in {type(head).__name__}: set model.head to cosine"
        )
    return head
