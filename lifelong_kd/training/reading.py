"""How the logits of a sample are read: which columns compete, what is predicted, what has a probability."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.core.types import Scenario

__all__ = ["only", "own", "predicted", "scored"]


def only(logits: Tensor, columns: Sequence[int]) -> Tensor:
    """Logits (N, width) with -inf in all but these columns; a column that does not exist yet counts for nothing."""
    there = [column for column in columns if column < logits.shape[1]]
    masked = torch.full_like(logits, -torch.inf)
    masked[:, there] = logits[:, there]
    return masked


def own(logits: Tensor, classes: Sequence[int], scenario: Scenario) -> Tensor:
    """The logits as the stream's scenario has them: where samples carry their task's label, only its columns."""
    return only(logits, classes) if scenario == "task" else logits


def predicted(logits: Tensor) -> Tensor:
    """The class of each sample, (N); -1 where no column competes, so that nothing is right."""
    if not logits.shape[1]:
        return torch.full((len(logits),), -1, dtype=torch.int64, device=logits.device)
    return torch.where(logits.amax(dim=1) == -torch.inf, -1, logits.argmax(dim=1))


def scored(logits: Tensor, targets: Tensor) -> Tensor:
    """Which samples have a probability of their class, (N) bool: not without a column or a finite score of its own."""
    if not logits.shape[1]:
        return torch.zeros(len(targets), dtype=torch.bool, device=targets.device)
    score = logits.gather(1, targets.clamp(max=logits.shape[1] - 1).unsqueeze(1)).squeeze(1)
    return (targets < logits.shape[1]) & score.isfinite()
