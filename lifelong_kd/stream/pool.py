"""Unlabelled samples from elsewhere."""

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

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        """``count`` raw samples.

        Args:
            count: how many.
            generator: what is random is drawn from it.
            data: the current task's training data, for a pool that makes its samples from them.

        Raises:
            BadCall: if the pool's samples have another shape than the stream's.
        """
