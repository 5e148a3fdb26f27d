"""Holm's correction, and how often a whole table claims: what `level` promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lifelong_kd.comparison.statistics import TESTS, Verdict, holm, judge, paired_test

TABLES, ROWS, SEEDS, LEVEL = 600, 5, 8, 0.05
LIMIT = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / TABLES)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 are 0.02, 0.03, 0.06, 0.04, and the last may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == () and holm([None, None]) == (None, None)
    # What is not tested is no member of the family.
    assert holm([None, 0.02, None, 0.03]) == pytest.approx((None, 0.04, None, 0.04))
    # Equal p are equal after it.
    assert holm([0.02, 0.02, 0.5]) == pytest.approx((0.06, 0.06, 0.5))


def test_verdicts_by_hand() -> None:
    up, flat = [0.5, 0.6, 0.7, 0.9, 0.8, 0.95], [0.1] * 6
    assert judge([(up, flat)], "permutation") == (Verdict(2 / 64, 2 / 64, True, True),)
    # Twice 2 / 64 is more than 0.05, whatever the values are.
    first, second = judge([(up, flat), (flat, up)], "permutation")
    assert first == second == Verdict(2 / 64, 4 / 64, False, False)
    # The one with no test is none of the family; at the level itself a difference is claimed.
    claimed, none = judge([(up, flat), (up[:2], flat[:2])], "wilcoxon", level=2 / 64)
    assert claimed.claimed and claimed.adjusted == 2 / 64
    assert none == Verdict(None, None, False, False, "2 pairs: a test needs 3")
    # Seven pairs can be claimed beside six that cannot: 2 * 2 / 128 and then 2 / 64.
    longer = ([*up, 0.3], [0.1] * 7)
    assert [found.reachable for found in judge([longer, (up, flat)], "permutation")] == [True, True]
    assert [found.reachable for found in judge([(up[:5], flat[:5])], "permutation")] == [False]
    assert judge([(flat, flat)])[0] == Verdict(1.0, 1.0, False, True, "identical")
    assert judge([]) == ()


def tables(kind: str, better: float = 0.0) -> list[list[list[float]]]:
    """Accuracies of a baseline and ROWS strategies on SEEDS seeds that move all alike, far more than a run does."""
    rng = np.random.default_rng({"normal": 1, "skewed": 2}[kind])
    seed = rng.normal(size=(TABLES, 1, SEEDS))
    noise = rng.normal(size=(TABLES, ROWS + 1, SEEDS))
    if kind == "normal":
        drawn = 0.6 + 0.1 * seed + 0.01 * noise
    else:
        # Errors of some percent that vary by factors, in thousandths: bounded, skewed, with ties and zeros.
        drawn = np.clip(1 - 0.02 * np.exp(seed + 0.7 * noise), 0, 1).round(3)
    drawn[:, 1] += better
    found: list[list[list[float]]] = drawn.tolist()
    return found


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_a_table_without_differences_claims_one_in_at_most_5_percent(kind: str, test: str) -> None:
    corrected = alone = 0
    for base, *rows in tables(kind):
        verdicts = judge([(row, base) for row in rows], test, LEVEL)
        assert all(found.reachable for found in verdicts)
        corrected += any(found.claimed for found in verdicts)
        alone += any(found.p is not None and found.p <= LEVEL for found in verdicts)
    assert corrected / TABLES <= LIMIT
    # Five tests without Holm's correction are caught by the same count.
    assert alone / TABLES > LIMIT


@pytest.mark.parametrize("test", TESTS)
def test_a_difference_is_claimed_and_it_alone(test: str) -> None:
    # Four times the noise of a run, less than half of what the seeds move.
    found = [
        judge([(row, base) for row in rows], test) for base, *rows in tables("normal", better=0.04)[:200]
    ]
    assert sum(first.claimed for first, *_ in found) >= 0.95 * len(found)
    assert sum(any(other.claimed for other in others) for _, *others in found) <= 0.1 * len(found)


def test_pairing_takes_the_seeds_out() -> None:
    # Without it the same difference is lost in what the seeds move.
    from scipy.stats import ttest_ind

    drawn = [(rows[1], rows[0]) for rows in tables("normal", better=0.04)[:200]]
    assert sum(bool(ttest_ind(row, base).pvalue <= LEVEL) for row, base in drawn) < 0.2 * len(drawn)


def test_skewed_differences_are_beyond_the_promise() -> None:
    # What the docstring of paired_test says of t: equal means, exponential differences, five pairs, 12 %.
    drawn = np.random.default_rng(7).exponential(size=(1000, 5)) - 1
    zeros = [0.0] * 5
    claimed = [(paired_test(values, zeros).p or 0.0) <= LEVEL for values in drawn.tolist()]
    assert abs(np.mean(claimed) - 0.115) <= 3 * math.sqrt(0.115 * 0.885 / 1000)
