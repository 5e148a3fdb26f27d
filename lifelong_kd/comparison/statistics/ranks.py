"""Average ranks of strategies, Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Ranks", "average_ranks", "critical_difference"]


@dataclass(frozen=True)
class Ranks:
    """The mean rank of each strategy over ``blocks`` (1 is best), in the order they were given.

    ``p`` is Friedman's. ``groups`` are the largest sets of strategies that are not apart, each from best to worst, by
    their index: what a bar joins in a critical-difference plot; a strategy apart from all others is in none.
    """

    means: tuple[float, ...]
    blocks: int
    statistic: float
    p: float
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]


def critical_difference(strategies: int, blocks: int, level: float = 0.05) -> float:
    """Nemenyi's: mean ranks are apart if they differ by ``q * sqrt(k (k + 1) / (6 N))`` or more.

    k strategies, N blocks; q is the studentized range's quantile for k groups and infinite degrees of freedom, divided
    by the square root of 2 (Nemenyi, 1963; Demsar, JMLR 7, 2006).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - level, strategies, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(strategies * (strategies + 1) / (6 * blocks))


def average_ranks(
    blocks: Sequence[Sequence[float]], more_is_better: bool = True, level: float = 0.05
) -> Ranks | None:
    """Rank the strategies within each block, average, and say which are not apart (Demsar, JMLR 7, 2006).

    ``chi2 = 12 N / (k (k + 1)) * (sum of squared mean ranks - k (k + 1)^2 / 4)``, corrected for ties by scipy
    (Friedman, 1937). Equal values share their mean rank. If Friedman's p is above ``level`` no two strategies are
    apart; else those are whose mean ranks differ by `critical_difference`.

    Args:
        blocks: a block is the value of each strategy with one seed in one place; finite. Blocks of one place differ by
            their seed only: ranks over these say what holds for other seeds, not for other data.
        more_is_better: whether the largest value has rank 1.

    Returns:
        ``None`` for less than three strategies or two blocks.

    Raises:
        ValueError: if blocks differ in their length or a value is not finite.

    >>> average_ranks([[0.9, 0.8, 0.7], [0.9, 0.7, 0.7]]).means
    (1.0, 2.25, 2.75)
    """
    from scipy.stats import friedmanchisquare, rankdata

    strategies = len(blocks[0]) if blocks else 0
    if any(len(block) != strategies for block in blocks):
        raise ValueError("each block needs a value of each strategy")
    if not all(math.isfinite(value) for block in blocks for value in block):
        raise ValueError("a rank needs finite values")
    if strategies < 3 or len(blocks) < 2:
        return None
    sign = -1.0 if more_is_better else 1.0
    ranked = [
        [float(rank) for rank in rankdata([sign * value for value in _plain(block)])] for block in blocks
    ]
    means = tuple(math.fsum(column) / len(blocks) for column in zip(*ranked, strict=True))
    if all(len(set(block)) == 1 for block in ranked):
        statistic, p = 0.0, 1.0
    else:
        statistic, p = (float(found) for found in friedmanchisquare(*zip(*ranked, strict=True)))
    distance = critical_difference(strategies, len(blocks), level)
    return Ranks(
        means, len(blocks), statistic, p, distance, _groups(means, distance if p <= level else math.inf)
    )


def _plain(block: Sequence[float]) -> list[float]:
    """Values that differ by rounding only are one."""
    largest = max(map(abs, block)) or 1.0
    return [round(value / largest, 12) for value in block]


def _groups(means: Sequence[float], distance: float) -> tuple[tuple[int, ...], ...]:
    """The longest runs in the order of ``means`` whose ends are less than ``distance`` apart, of two or more."""
    order = sorted(range(len(means)), key=lambda index: (means[index], index))
    runs: list[tuple[int, ...]] = []
    end = 0
    for start, best in enumerate(order):
        reach = start
        while reach < len(order) and means[order[reach]] - means[best] < distance:
            reach += 1
        if reach > end and reach - start > 1:
            runs.append(tuple(order[start:reach]))
        end = max(end, reach)
    return tuple(runs)
