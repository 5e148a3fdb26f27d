from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lifelong_kd.comparison.statistics import average_ranks, critical_difference
from lifelong_kd.comparison.statistics.ranks import _groups


def test_critical_difference_of_demsar() -> None:
    # Table 5 and section 3.2.5 of Demsar (2006): q_0.05 for 2 to 10, and 1.25 for four classifiers on 14 data sets.
    table = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    for count, quantile in enumerate(table, start=2):
        # N with k (k + 1) / (6 N) = 1
        blocks = count * (count + 1) / 6
        assert critical_difference(count, blocks) == pytest.approx(quantile, abs=1.1e-3)  # type: ignore[arg-type]
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, level=0.1) == pytest.approx(1.12, abs=5e-3)


def test_ranks_by_hand() -> None:
    found = average_ranks([[0.9, 0.8, 0.7], [0.9, 0.7, 0.7], [0.6, 0.8, 0.5]])
    assert found is not None and found.blocks == 3
    assert found.means == pytest.approx((4 / 3, 5.5 / 3, 8.5 / 3))
    less = average_ranks([[0.9, 0.8, 0.7], [0.9, 0.7, 0.7], [0.6, 0.8, 0.5]], more_is_better=False)
    assert less is not None and less.means == pytest.approx((8 / 3, 6.5 / 3, 3.5 / 3))


def test_friedman_without_ties_by_hand() -> None:
    # N = 4, k = 3, mean ranks 1, 2, 3: 12 * 4 / 12 * (14 - 12) = 8, and exp(-8 / 2) of two degrees of freedom.
    found = average_ranks([[3.0, 2.0, 1.0]] * 4)
    assert found is not None
    assert found.statistic == pytest.approx(8.0) and found.p == pytest.approx(math.exp(-4))
    assert found.groups == ((0, 1), (1, 2))
    assert found.critical_difference == pytest.approx(2.3437 * math.sqrt(12 / 24), abs=1e-3)


def test_agrees_with_scipy_with_ties() -> None:
    blocks = np.random.default_rng(0).integers(0, 5, size=(12, 4)) / 10
    found = average_ranks(blocks.tolist())
    expected = stats.friedmanchisquare(*blocks.T)
    assert found is not None
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.means == pytest.approx(stats.rankdata(-blocks, axis=1).mean(axis=0).tolist())


def test_groups_of_demsars_example() -> None:
    # Ranks 3.143, 2.000, 2.893, 1.964 and 1.25: none are apart. With 1 there are two groups that share one.
    ranks = [3.143, 2.000, 2.893, 1.964]
    assert _groups(ranks, 1.25) == ((3, 1, 2, 0),)
    assert _groups(ranks, 1.0) == ((3, 1, 2), (2, 0))
    assert _groups(ranks, 0.1) == ((3, 1),)
    assert _groups([1.0, 2.0, 3.0], 0.5) == ()


def test_without_a_difference_all_are_one_group() -> None:
    found = average_ranks([[0.5, 0.5, 0.5]] * 3)
    assert found is not None
    assert (found.statistic, found.p, found.groups) == (0.0, 1.0, ((0, 1, 2),))
    # Rounding is no difference.
    again = average_ranks([[0.1 + 0.2, 0.3, 0.3]] * 3)
    assert again is not None and again.means == (2.0, 2.0, 2.0)


def test_ranks_are_not_apart_before_friedman_says_so() -> None:
    # Rank sums 20, 26, 32 of 13: chi2 = 2 * 36 / 13, p = exp(-36 / 13); yet 12 / 13 is more than 2.3437 sqrt(2 / 13).
    orders = [(1, 2, 3)] * 8 + [(1, 3, 2)] + [(2, 1, 3)] + [(3, 2, 1)] * 3
    found = average_ranks(orders, more_is_better=False)
    assert found is not None and found.p == pytest.approx(math.exp(-36 / 13))
    assert found.means[2] - found.means[0] > found.critical_difference
    assert found.groups == ((0, 1, 2),)
    looser = average_ranks(orders, more_is_better=False, level=0.07)
    assert looser is not None and looser.groups == ((0, 1), (1, 2))


def test_friedman_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    drawn = [
        average_ranks((rng.normal(size=(10, 1)) + 0.1 * rng.normal(size=(10, 4))).tolist()) for _ in range(60)
    ]
    assert sum(found is not None and len(found.groups[0]) < 4 for found in drawn) <= 60 * (0.05 + 3 * 0.0282)


def test_too_little_to_rank_and_what_is_refused() -> None:
    assert average_ranks([]) is None
    assert average_ranks([[0.1, 0.2]] * 9) is None
    assert average_ranks([[0.1, 0.2, 0.3]]) is None
    with pytest.raises(ValueError, match="each strategy"):
        average_ranks([[0.1, 0.2, 0.3], [0.1, 0.2]])
    with pytest.raises(ValueError, match="finite"):
        average_ranks([[0.1, 0.2, math.nan], [0.1, 0.2, 0.3]])
