"""Generators that learn from the student's batches by themselves."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Batch
from lifelong_kd.generator.kept import Kept
from lifelong_kd.generator.likelihood import as_float

__all__ = ["Learned"]

SCORED_AT_ONCE = 1000
"""Samples that are scored in one pass."""


class Learned(Kept):
    """A network that makes a step for each of the student's, on the same samples.

    ``loss = (1 - share) * mean loss(new) + share * mean loss(replayed)``, the replayed samples being those that its own
    earlier self made. A subclass says what the loss of a sample is.

    Args:
        lr: learning rate of Adam.
        likelihood: see :data:`~lifelong_kd.generator.likelihood.Likelihood`.
    """

    @abstractmethod
    def losses(
        self, network: nn.Module, x: Tensor, y: Tensor | None, noise: torch.Generator | None
    ) -> Tensor:
        """The loss of each sample, shape (batch,).

        Args:
            network: the one that learns, or that is scored.
            x: samples as float32, shape (batch, ...).
            y: their classes, if they are known.
            noise: what is random is drawn from it; without one, the middle of a distribution takes its draw's place.
        """

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        batches = [new] if replayed is None else [new, replayed]
        # One pass over both: no layer mixes samples.
        x = torch.cat([as_float(batch.raw) for batch in batches])
        y = torch.cat([batch.y for batch in batches])
        losses = self.losses(self.learning, x, y, self.noise)
        loss = losses[: len(new)].mean()
        if replayed is not None:
            loss = (1 - share) * loss + share * losses[len(new) :].mean()
        self.step(loss, {"loss": loss})

    @torch.no_grad()
    def score(self, raw: Tensor) -> float | None:
        if self.network is None or not len(raw):
            return None
        parts = [
            self.losses(self.network, as_float(part.to(self.device)), None, None)
            for part in raw.split(SCORED_AT_ONCE)
        ]
        return float(torch.cat(parts).mean())
