"""Tests of a mean difference over pairs: two strategies with the same seed, class order and data.

A seed moves all strategies alike (its class order is harder, its initial weights are better), so runs are compared seed
by seed. Each test asks whether a pair's difference is as likely as its opposite; none knows anything of the data set,
which is the same for all seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TESTS", "PairedTest", "least_p", "paired_differences", "paired_test", "pairs_needed"]

TESTS = ("t", "wilcoxon", "permutation")

# All 2^n signs are tried up to this many pairs; with more, the permutation test draws RESAMPLES of them.
EXACT, RESAMPLES = 12, 9999
FEWEST = 3


@dataclass(frozen=True)
class PairedTest:
    """The two-sided ``p`` and the least p that so many pairs could have given; None for less than three pairs."""

    p: float | None
    least: float | None
    note: str = ""


def paired_differences(left: Sequence[float], right: Sequence[float]) -> tuple[float, ...]:
    """``left - right`` without the rounding that makes equal differences unequal.

    0.91 - 0.90 and 0.92 - 0.91 differ by 1e-17: with so little spread a t test would be sure of anything. So they are
    rounded to 12 decimals of the largest value, and are all their mean if they lie within 1e-9 of that value.

    Raises:
        ValueError: if the lengths differ or a value is not finite.

    >>> len(set(paired_differences([0.91, 0.92], [0.90, 0.91])))
    1
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} values cannot be paired with {len(right)}")
    if not all(math.isfinite(value) for value in (*left, *right)):
        raise ValueError("a difference needs finite values")
    largest = max((abs(value) for value in (*left, *right)), default=0.0)
    if largest == 0:
        return tuple(0.0 for _ in left)
    digits = 12 - math.ceil(math.log10(largest))
    found = [round(one - other, digits) for one, other in zip(left, right, strict=True)]
    if max(found) - min(found) <= 1e-9 * largest:
        mean = math.fsum(found) / len(found)
        return tuple(0.0 if abs(mean) <= 1e-9 * largest else mean for _ in found)
    return tuple(found)


def paired_test(left: Sequence[float], right: Sequence[float], test: str = "t") -> PairedTest:
    """Whether ``left`` and ``right`` differ, value by value; two-sided.

    ``t``: ``mean / (s / sqrt(n))`` of the differences against Student's distribution with n - 1 degrees of freedom
    (Student, 1908). It takes the differences to be normal and is the only one that can claim with 3 to 5 pairs.
    ``wilcoxon``: signed ranks of the sizes (Wilcoxon, 1945); zeros are ranked and then dropped (Pratt, 1959), ties
    share their mean rank. ``permutation``: the mean itself (Fisher, 1935). Both are exact up to 12 pairs, ties and
    zeros included: the share of the 2^n ways to sign the differences that are at least as far out. With more pairs
    ``wilcoxon`` is scipy's, ``permutation`` draws 9999 ways by a generator of its own.

    All three keep their level where a difference is as likely as its opposite, as for two strategies whose runs are
    alike: t at 0.05 claims 5 % of normal differences and 3 to 5 % of those of two exponentials. Equal means with skewed
    differences, as when one strategy sits near 100 % and the other varies, are another matter, and no test here is made
    for it: of differences that are exponential less their mean, 20000 samples each, with 5, 10 and 20 pairs t claims
    12, 10 and 8 %, ``wilcoxon`` 0, 9 and 13 %, ``permutation`` 0, 10 and 8 %. So read a p near the level with care.

    Differences that are all the same (no spread) leave t without a scale: p is then the permutation test's. If all are
    zero, p is 1.

    Raises:
        ValueError: for an unknown test, lengths that differ and values that are not finite.

    >>> paired_test([0.5, 0.6, 0.7, 0.9], [0.4, 0.3, 0.5, 0.5], "permutation")
    PairedTest(p=0.125, least=0.125, note='')
    """
    if test not in TESTS:
        raise ValueError(f"there is no paired test {test!r}: there are {', '.join(TESTS)}")
    differences = paired_differences(left, right)
    count = len(differences)
    if count < FEWEST:
        return PairedTest(None, None, f"{count} pair{'s' * (count != 1)}: a test needs {FEWEST}")
    least = least_p(test, count)
    if not any(differences):
        return PairedTest(1.0, least, "identical")
    if len(set(differences)) == 1:
        # All signs alike, which two of the 2^n ways are.
        return PairedTest(2 / 2**count, 2 / 2**count, "no spread")
    found = {"t": _t, "wilcoxon": _wilcoxon, "permutation": _permutation}[test](differences)
    return PairedTest(found, least)


def least_p(test: str, pairs: int) -> float:
    """The smallest p that so many pairs can give: ``2 / 2^n`` for the tests that count signs, 0 for t.

    >>> least_p("wilcoxon", 5)
    0.0625
    """
    if test == "t":
        return 0.0
    counted = 2 / float(2**pairs)
    return max(counted, 2 / (RESAMPLES + 1)) if test == "permutation" and pairs > EXACT else counted


def pairs_needed(test: str, level: float, differences: int = 1) -> int | None:
    """How many pairs each of so many differences must have for Holm's correction to leave p at ``level`` or below.

    >>> pairs_needed("wilcoxon", 0.05), pairs_needed("wilcoxon", 0.05, differences=8), pairs_needed("t", 0.05)
    (6, 9, 3)
    """
    return next((n for n in range(FEWEST, 64) if differences * least_p(test, n) <= level), None)


def _t(differences: Sequence[float]) -> float:
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, 0.0).pvalue)


def _wilcoxon(differences: Sequence[float]) -> float:
    import numpy as np
    from scipy.stats import rankdata, wilcoxon

    if len(differences) <= EXACT:
        return _signed(np.sign(differences) * rankdata(np.abs(differences)))
    return float(wilcoxon(differences, zero_method="pratt").pvalue)


def _permutation(differences: Sequence[float]) -> float:
    import numpy as np
    from scipy.stats import permutation_test

    if len(differences) <= EXACT:
        return _signed(differences)
    # Sorted, so that what is drawn does not depend on the order of the seeds.
    found = permutation_test(
        (np.sort(differences),),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _signed(values: Sequence[float] | np.ndarray) -> float:
    """The share of all ways to sign ``values`` whose sum is at least as far from zero as theirs."""
    import numpy as np

    sizes = np.abs(np.asarray(values, dtype=float))
    observed = abs(float(np.sum(values)))
    # Sums that differ by less than this are the same sum, added in another order.
    slack = 1e-6 * float(sizes.sum())
    return float(np.mean(np.abs(_signs(len(sizes)) @ sizes) >= observed - slack))


@lru_cache(maxsize=EXACT)
def _signs(count: int) -> np.ndarray:
    import numpy as np

    return np.array(list(itertools.product((1.0, -1.0), repeat=count)))
