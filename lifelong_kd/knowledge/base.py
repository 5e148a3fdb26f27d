"""The contract of a knowledge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

__all__ = ["Knowledge"]


class Knowledge(ABC):
    """Compares what the student says with what the teacher says, sample by sample.

    A knowledge returns one value a sample. Which classes and which samples are compared, the weight and the mean
    over the batch belong to the term. It is 0 where student and teacher agree, and positive elsewhere.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What a teacher has to offer for this knowledge."""

    skips_unknown: ClassVar[bool] = False
    """Whether columns of the teacher that are NaN, because it did not have them yet, are left out."""

    @abstractmethod
    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of each sample.

        Args:
            student: what the student says, shape (batch, columns); gradient flows into it.
            teacher: what the teacher says, the same shape; no gradient flows into it.

        Returns:
            Losses, shape (batch,).
        """
