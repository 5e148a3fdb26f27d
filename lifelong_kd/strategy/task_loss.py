"""The loss of the task itself, and over which classes it is taken."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.strategy.columns import member, pick, within

__all__ = ["Classes", "Competing", "Kind", "TaskLoss"]

Classes = Literal["all", "seen", "new"]
"""Which classes compete: every column of the head, those met so far, or those of the current task alone."""

Competing = Literal["all", "seen", "new", "old", "separated"]
"""As ``Classes``; or those of earlier tasks alone, for replayed samples; or for each sample the old or the new ones."""

Kind = Literal["ce", "bce", "nca"]
"""Cross-entropy, binary cross-entropy, or NCA with a margin."""

MARGIN = 0.6
"""PODNet's delta."""


class TaskLoss:
    """The loss of labelled samples, taken over ``all``, ``seen``, ``new`` or ``old`` classes, or ``separated``.

    ``kind="ce"``: cross-entropy, mean over the samples. ``kind="bce"``: binary cross-entropy of sigmoid outputs against
    the one-hot label, summed over the classes, mean over the samples; a sample of a class outside the set has target 0
    everywhere in it. ``kind="nca"``: the margin loss of PODNet (Douillard et al. 2020, arXiv 2004.13513, equation 10),
    ``max(0, -(z_y - margin) + log sum_{i != y} exp(z_i))``, mean over the samples; z are the logits as the head gives
    them, scaled already. In PODNet's own code the margin is taken from every similarity alike and cancels out; here it
    acts.

    In class-incremental learning without a memory the set of classes decides most of the result: over ``all`` classes
    each step pushes the old classes' logits down, over ``new`` it leaves them alone. ``separated`` is the separated
    softmax of SS-IL (Ahn et al. 2021, arXiv 2003.13947): samples of old classes over the old columns, those of new ones
    over the new columns, one mean over both. Over ``old`` classes samples of others are left out of the mean. In a
    task-incremental stream only the classes of a sample's own task compete, whatever the choice.

    Args:
        over: which classes compete.
        kind: ``ce``, ``bce`` or ``nca``.
        smoothing: label smoothing of ``ce`` (Szegedy et al. 2016, arXiv 1512.00567, section 7): this share of the
            target, in [0, 1), is spread evenly over the classes that compete.
        margin: of ``nca``, at least 0; 0.6 if ``None``.

    Raises:
        BadCall: for an unknown word, an option out of range, or one that the kind does not have.
    """

    def __init__(
        self,
        over: Competing = "all",
        kind: Kind = "ce",
        *,
        smoothing: float = 0.0,
        margin: float | None = None,
    ) -> None:
        if over not in get_args(Competing):
            words = ", ".join(map(repr, get_args(Competing)))
            raise BadCall(f"the task loss is taken over classes {words}; not {over!r}")
        if kind not in get_args(Kind):
            raise BadCall(f"the task loss is {', '.join(map(repr, get_args(Kind)))}; not {kind!r}")
        if not 0 <= smoothing < 1:
            raise BadCall(f"label smoothing must lie in [0, 1), got {smoothing}")
        if smoothing and kind != "ce":
            raise BadCall(f"labels are smoothed in 'ce' only, not in {kind!r}")
        if margin is not None and kind != "nca":
            raise BadCall(f"'nca' has a margin, {kind!r} has none")
        if margin is not None and not 0 <= margin < math.inf:
            raise BadCall(f"the margin must be at least 0 and finite, got {margin}")
        self.over: Competing = over
        self.kind: Kind = kind
        self.smoothing = smoothing
        self.margin = MARGIN if margin is None else margin

    def is_plain(self, task: Task, *, own_heads: bool = False) -> bool:
        """Whether this is the ordinary cross-entropy over every column that the model shows.

        Args:
            task: the current task.
            own_heads: whether the model shows each sample the columns of its own task only.
        """
        usual = self.kind == "ce" and not self.smoothing and self.over == "all"
        return usual and (task.scenario != "task" or own_heads)

    def __call__(
        self, logits: Tensor, y: Tensor, label: Tensor, task: Task, *, rehearsed: bool = False
    ) -> Tensor:
        """The mean loss of a batch; an exact 0 that back-propagates where no sample takes part.

        Args:
            logits: shape (batch, columns).
            y: classes, int64, shape (batch,).
            label: task labels, int64, shape (batch,).
            task: the current task.
            rehearsed: whether the samples come from a memory; ``new`` then means ``seen``, as they are of old classes.
        """
        width = logits.shape[1]
        over = "seen" if rehearsed and self.over == "new" else self.over
        if not len(logits):
            return logits.sum()
        if task.scenario == "task":
            return self._masked(logits, y, within(label, task, width))
        if over == "separated":
            new = member(task.new, width, logits.device)
            return self._masked(
                logits, y, torch.where(new[y][:, None], new, member(task.old, width, logits.device))
            )
        if over == "old":
            old = member(task.old, width, logits.device)
            inside = old[y]
            # Where the label is outside, all columns keep the loss finite, which then counts for nothing.
            losses = self._losses(logits, y, old | ~inside[:, None])
            return (losses * inside).sum() / inside.sum().clamp(min=1)
        classes = {"all": tuple(range(width)), "seen": task.seen, "new": tuple(sorted(task.new))}[over]
        if self.kind == "bce":
            target = F.one_hot(y, width).to(logits.dtype)
            return self._bce(pick(logits, classes), pick(target, classes))
        first = classes[0]
        if self.kind == "ce" and classes == tuple(range(first, classes[-1] + 1)):
            return F.cross_entropy(
                pick(logits, classes), y - first if first else y, label_smoothing=self.smoothing
            )
        mask = member(classes, width, logits.device)
        return self._masked(logits, y, mask.expand(len(logits), -1))

    def _masked(self, logits: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """The loss where each sample has its own set of classes: ``mask``, bool, shape (batch, columns)."""
        if self.kind == "ce" and not self.smoothing:
            return F.cross_entropy(logits.masked_fill(~mask, -torch.inf), y)
        return self._losses(logits, y, mask).mean()

    def _losses(self, logits: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """As ``_masked``, one value a sample."""
        if self.kind == "bce":
            target = F.one_hot(y, logits.shape[1]).to(logits.dtype)
            losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
            return (losses * mask).sum(dim=1)
        own = y[:, None]
        if self.kind == "nca":
            others = logits.masked_fill(~mask.scatter(1, own, value=False), -torch.inf)
            # Without rivals there is nothing to win: the logarithm of nothing is cut to 0.
            return (others.logsumexp(dim=1) - logits.gather(1, own).squeeze(1) + self.margin).clamp(min=0)
        chances = F.log_softmax(logits.masked_fill(~mask, -torch.inf), dim=1)
        # The columns outside have infinite logarithms, and no share in the smoothing.
        even = chances.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1)
        return -(1 - self.smoothing) * chances.gather(1, own).squeeze(1) - self.smoothing * even

    @staticmethod
    def _bce(logits: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1).mean()
