"""The mean of several teachers."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import LOGITS, Batch, Said, Wants
from lifelong_kd.teacher.composite import Composite, side_by_side

__all__ = ["Ensemble"]


class Ensemble(Composite):
    """The mean of what the members say (Hinton et al. 2015, arXiv 1503.02531, section 1).

    ``probabilities``: ``log(mean_m softmax(z_m))``, said as log-probabilities, so that a softmax of them gives the mean
    back. ``logits``: ``mean_m z_m``, a geometric mean of the probabilities. Both over the columns that every member
    has; the others are NaN. The mean is taken over all of these columns and at temperature 1, before a term chooses
    classes and softens.

    Args:
        teachers: the members.
        kind: what is averaged, ``probabilities`` or ``logits``.

    Raises:
        BadCall: without members, or for another kind.

    Example:
        >>> from lifelong_kd.teacher.snapshot import Snapshot
        >>> Ensemble(teachers=[Snapshot(), Snapshot()], kind="logits").ready
        False
    """

    def __init__(
        self,
        *,
        teachers: list[Annotated[object, Component("teacher")]],
        kind: Literal["probabilities", "logits"] = "probabilities",
    ) -> None:
        super().__init__(teachers)
        if kind not in ("probabilities", "logits"):
            raise BadCall(f"an ensemble averages 'probabilities' or 'logits', not {kind!r}")
        self.kind = kind

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        said = side_by_side([self.logits(member, batch) for member in self.members])
        unknown = said.isnan().any(dim=0)
        if self.kind == "logits":
            return self.said(said.mean(dim=0))
        # Summed as logarithms: a probability too small for its precision would become minus infinity.
        logarithms = torch.log_softmax(said.masked_fill(unknown, -torch.inf), dim=2)
        mean = torch.logsumexp(logarithms, dim=0) - math.log(len(said))
        return self.said(mean.masked_fill(unknown, torch.nan))
