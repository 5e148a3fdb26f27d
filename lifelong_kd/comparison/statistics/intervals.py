"""Mean and interval over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Interval", "t_interval"]


@dataclass(frozen=True)
class Interval:
    """Mean of ``count`` values and half the width of its confidence interval (None for a single value)."""

    mean: float
    half_width: float | None
    count: int


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's interval of a mean: ``mean +- t * s / sqrt(n)``, t with n - 1 degrees of freedom.

    Args:
        values: one a seed, at least one.
        confidence: its level, in (0, 1).

    Raises:
        ValueError: if there is no value.

    >>> interval = t_interval([1.0, 2.0, 3.0])
    >>> round(interval.mean, 3), round(interval.half_width, 3)
    (2.0, 2.484)
    """
    from scipy.stats import t

    count = len(values)
    if count == 0:
        raise ValueError("an interval needs at least one value")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    quantile = float(t.ppf(0.5 + confidence / 2, count - 1))
    return Interval(mean, quantile * math.sqrt(variance / count), count)
