"""For each sample the teacher that knows it better."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import LOGITS, Batch, Said, Wants
from lifelong_kd.teacher.composite import Composite, side_by_side

__all__ = ["Choice"]


class Choice(Composite):
    """For each sample what the member says that gives its true class the larger probability (Arani et al. 2022).

    Sample i gets the logits of the member ``argmax_m softmax(z_m(x_i))[y_i]``, the first of those that are
    equal, at the columns that every member has. CLS-ER chooses so between a stable and a plastic average of
    the student (arXiv 2201.12604). A member that has no column for a class gives it probability 0. Unlabelled
    data leave nothing to choose by, so that it does not teach on the source ``external``.

    Args:
        teachers: the members, at least two.

    Raises:
        BadCall: for fewer.

    Example:
        >>> from lifelong_kd.teacher.ema import Ema
        >>> slow, fast = Ema(update_probability=0.7), Ema(update_probability=0.9)
        >>> Choice(teachers=[slow, fast]).ready
        False
    """

    def __init__(self, *, teachers: list[Annotated[object, Component("teacher")]]) -> None:
        super().__init__(teachers, at_least=2)
        self.sources -= {"external"}
        if not self.sources:
            raise BadCall(
                "the members of Choice teach on unlabelled data only, where there is nothing to choose by"
            )

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        said = [self.logits(member, batch) for member in self.members]
        chosen = torch.stack([_of_the_true_class(logits, batch.y) for logits in said]).argmax(dim=0)
        return self.said(side_by_side(said)[chosen, torch.arange(len(batch), device=chosen.device)])


def _of_the_true_class(logits: Tensor, y: Tensor) -> Tensor:
    """The probability of each sample's own class, shape (batch,)."""
    probability = torch.softmax(logits.masked_fill(logits.isnan(), -torch.inf), dim=1)
    width = logits.shape[1]
    own = probability.gather(1, y.clamp(max=width - 1).unsqueeze(1)).squeeze(1)
    return own.masked_fill(y >= width, 0.0)
