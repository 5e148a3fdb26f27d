"""Unlabelled samples, from elsewhere or of the task itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from lifelong_kd.core.types import TaskData

__all__ = ["Pool"]


class Pool(ABC):
    """Draws samples without labels, of the shape and type of the stream's raw samples.

    The tasks to come are no pool: a pool is data that the learner would have anyway.
    """

    def check(self, data: TaskData) -> None:
        """Refuse a stream that the pool does not fit; told when a task begins, before its first step.

        Args:
            data: the task's training data.

        Raises:
            BadCall: saying what does not fit.
        """

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        """``count`` raw samples, the same for a generator in the same state.

        Args:
            count: how many.
            generator: what is random is drawn from it.
            data: the current task's training data, for a pool that makes its samples from them.

        Raises:
            BadCall: if the pool's samples have another shape than the stream's.
        """
