"""How much better one student is than another on the same samples, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Reading

__all__ = ["Difference", "difference"]


@dataclass(frozen=True)
class Difference:
    """A difference of accuracies and its standard error (infinite where it cannot be told)."""

    mean: float
    error: float

    def beyond(self, noise: float) -> bool:
        """Whether it is a gain, and one of more than ``noise`` standard errors."""
        # Sums of fractions come out a little beside each other; no gain of a sample is that small.
        return self.mean > 1e-9 and (noise == 0 or self.mean > noise * self.error + 1e-9)

    def __str__(self) -> str:
        return f"{self.mean:+.4f} (standard error {self.error:.4f})"


def difference(after: Mapping[int, Reading], before: Mapping[int, Reading]) -> Difference:
    """Gain in mean accuracy over tasks, each task weighing the same, from the same samples before and after.

    With d_ji = right after - right before (-1, 0 or 1) on sample i of the n_j samples of task j out of J::

        D  = 1/J sum_j mean_i d_ji
        SE = 1/J sqrt(sum_j s_j^2 / n_j),   s_j^2 = sum_i (d_ji - mean_i d_ji)^2 / (n_j - 1)

    Where the number of samples of a task has changed they are not the same ones, and s_j^2 / n_j is the sum
    of the two students' own variances. One sample has no variance to go by: the error is infinite.

    Args:
        after: readings of the one student by task.
        before: readings of the other student, of the same tasks.

    Raises:
        BadCall: if the tasks differ, or there is none.

    >>> import torch
    >>> def reading(*right):
    ...     return Reading(sum(right) / len(right), None, torch.tensor(right, dtype=torch.bool))
    >>> print(difference({0: reading(1, 1, 1, 0)}, {0: reading(1, 0, 0, 0)}))
    +0.5000 (standard error 0.2887)
    """
    if not after or set(after) != set(before):
        raise BadCall(
            f"students are compared on the same tasks, found {sorted(after)} and {sorted(before)};"
            " is there validation data?"
        )
    mean = variance = 0.0
    for task, one in after.items():
        other = before[task]
        mean += one.accuracy - other.accuracy
        if one.samples == other.samples:
            variance += _of_mean(one.right.double() - other.right.to(one.right.device).double())
        else:
            variance += _of_mean(one.right.double()) + _of_mean(other.right.double())
    return Difference(mean / len(after), math.sqrt(variance) / len(after))


def _of_mean(values: Tensor) -> float:
    """The variance of a mean of independent values."""
    return float(values.var(unbiased=True)) / len(values) if len(values) > 1 else math.inf
