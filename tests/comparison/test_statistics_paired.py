from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lifelong_kd.comparison.statistics import (
    TESTS,
    PairedTest,
    least_p,
    paired_differences,
    paired_test,
    pairs_needed,
)

NONE = [0.0] * 20
LEFT = [0.71, 0.74, 0.69, 0.77, 0.70, 0.73, 0.75, 0.68]
RIGHT = [0.70, 0.70, 0.71, 0.71, 0.67, 0.65, 0.70, 0.61]


def test_agrees_with_scipy() -> None:
    # Differences of 0.01, 0.04, -0.02, 0.06, 0.03, 0.08, 0.05, 0.07: no ties.
    assert paired_test(LEFT, RIGHT, "t").p == pytest.approx(stats.ttest_rel(LEFT, RIGHT).pvalue, rel=1e-9)
    differences = np.round(np.subtract(LEFT, RIGHT), 6)
    exact = stats.wilcoxon(differences, method="exact").pvalue
    assert paired_test(LEFT, RIGHT, "wilcoxon").p == pytest.approx(exact, rel=1e-9)
    flips = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert paired_test(LEFT, RIGHT, "permutation").p == pytest.approx(flips, rel=1e-9)


def test_signs_by_hand() -> None:
    # Of 16 signed sums of 1, 2, 3, 4 the 10 - 2 = 8 of +2 +3 +4 -1 is reached by 10, 8, -8, -10.
    values = [2.0, -1.0, 3.0, 4.0]
    assert paired_test(values, NONE[:4], "permutation").p == 4 / 16
    # 1 and 2 are turned, 3 in all. No more is: sizes of none, 1, 2, 1 + 2; and mirrors.
    assert paired_test([-1.0, -2.0, 4.0, 8.0], NONE[:4], "permutation").p == 8 / 16
    # By ranks, 1, 2, 3, 4, turning 3 alone is as far out too.
    assert paired_test([-1.0, -2.0, 4.0, 8.0], NONE[:4], "wilcoxon").p == 10 / 16


def test_zeros_are_ranked_and_dropped_and_ties_are_shared() -> None:
    # Pratt: of 0, 1, 1, -2, 3 the ranks are 1 (dropped), 2.5, 2.5, -4, 5; |sum| = 6. Of 16 signs of 2.5, 2.5, 4, 5, sum
    # 14: at least 6 are none or one of 2.5 or 4 turned (14, 9, 9, 6): 4, and their mirrors.
    assert paired_test([0.0, 1.0, 1.0, -2.0, 3.0], NONE[:5], "wilcoxon").p == 8 / 16
    # Ranks 1.5, -1.5, 3, 4: none or either of the equal two turned, and mirrors; so whichever of them is the other.
    for values in ([1.0, -1.0, 3.0, 4.0], [-1.0, 1.0, 3.0, 4.0]):
        assert paired_test(values, NONE[:4], "wilcoxon").p == 6 / 16
    # The sums of 1, 1, 2, 3 that reach 3 of 7: 7, 5, 5, 3 and 3 (both ones turned).
    assert paired_test([0.0, 1.0, 1.0, -2.0, 3.0], NONE[:5], "permutation").p == 10 / 16
    # A pair of zeros takes two signs away: 2 / 2^4 of six pairs at best.
    assert paired_test([0.0, 0.0, 1.0, 2.0, 3.0, 4.0], NONE[:6], "permutation").p == 2 / 2**4


def test_rounding_makes_no_ties_unequal() -> None:
    # 0.1 + 0.2 is not 0.3: exact sums that tie in the decimals must tie here.
    values = [0.3, 0.1, 0.2, -0.3, 0.1, 0.2]
    tens = [round(10 * value) for value in values]
    for test in TESTS[1:]:
        assert paired_test(values, NONE[:6], test).p == paired_test(tens, NONE[:6], test).p


@pytest.mark.parametrize("test", TESTS)
def test_more_pairs_than_can_be_counted(test: str) -> None:
    rng = np.random.default_rng(5)
    left, right = rng.normal(0.6, 1, 20).tolist(), NONE
    found = paired_test(left, right, test)
    assert found.p is not None
    expected = {
        "t": stats.ttest_rel(left, right).pvalue,
        "wilcoxon": stats.wilcoxon(left, method="exact").pvalue,
        # Nearly normal with 20, and drawn 9999 times.
        "permutation": stats.ttest_rel(left, right).pvalue,
    }[test]
    assert found.p == pytest.approx(expected, rel=0.25 if test == "permutation" else 1e-6)
    np.random.seed(1)
    assert paired_test(left[::-1], right, test).p == pytest.approx(found.p, rel=1e-9)


def test_zeros_beyond_the_exact_tests_are_pratts() -> None:
    values = [0.0] * 6 + np.random.default_rng(5).normal(0.6, 1, 20).tolist()
    found = paired_test(values, [0.0] * 26, "wilcoxon").p
    assert found == pytest.approx(stats.wilcoxon(values, zero_method="pratt").pvalue, rel=1e-9)
    assert found != pytest.approx(stats.wilcoxon(values, zero_method="wilcox").pvalue, rel=1e-2)


@pytest.mark.parametrize("test", TESTS)
def test_units_order_and_direction_do_not_matter(test: str) -> None:
    expected = paired_test(LEFT, RIGHT, test).p
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    for left, right in (
        ([100 * value for value in LEFT], [100 * value for value in RIGHT]),
        ([value / 3e5 for value in LEFT], [value / 3e5 for value in RIGHT]),
        ([LEFT[i] for i in order], [RIGHT[i] for i in order]),
        (RIGHT, LEFT),
    ):
        assert paired_test(left, right, test).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("test", TESTS)
def test_no_spread_is_not_certainty(test: str) -> None:
    # The binary rounding of these differs in the last bit, which is a spread of 1e-17 and a t of 1e15.
    left, right = [0.91, 0.92, 0.93, 0.94, 0.55], [0.90, 0.91, 0.92, 0.93, 0.54]
    assert len({one - other for one, other in zip(left, right, strict=True)}) > 1
    assert paired_test(left, right, test) == PairedTest(0.0625, 0.0625, "no spread")
    assert paired_test(left, left, test) == PairedTest(1.0, least_p(test, 5), "identical")
    assert paired_test([0.5] * 20, [0.25] * 20, test).p == 2 / 2**20
    assert paired_test([0.1 + 0.2] * 4, [0.3] * 4, test).note == "identical"
    assert paired_test([0.5, 0.6 + 4e-10, 0.7], [0.4, 0.5, 0.6], test).note == "no spread"
    assert paired_test([0.5, 0.6 + 4e-6, 0.7], [0.4, 0.5, 0.6], test).note == ""


@pytest.mark.parametrize("test", TESTS)
def test_too_few_pairs(test: str) -> None:
    assert paired_test([], [], test) == PairedTest(None, None, "0 pairs: a test needs 3")
    assert paired_test([0.5], [0.1], test).note == "1 pair: a test needs 3"
    assert paired_test([0.5, 0.6], [0.1, 0.3], test).p is None
    assert paired_test([0.5, 0.6, 0.8], [0.1, 0.3, 0.2], test).p is not None


def test_least_p_is_reached_and_not_passed() -> None:
    for test in TESTS[1:]:
        for pairs in range(3, 13):
            values = [float(value * value) for value in range(1, pairs + 1)]
            assert paired_test(values, [0.0] * pairs, test).p == 2 / 2**pairs == least_p(test, pairs)
        assert least_p(test, 5) == 0.0625
    values = [float(value) for value in range(1, 31)]
    assert (
        paired_test(values, [0.0] * 30, "permutation").p == pytest.approx(2e-4) == least_p("permutation", 30)
    )
    assert (
        paired_test(values, [0.0] * 30, "wilcoxon").p == pytest.approx(2 / 2**30) == least_p("wilcoxon", 30)
    )
    assert least_p("t", 3) == 0.0
    # Six tests at 0.05: 6 * 2 / 2^8 = 0.047
    assert pairs_needed("wilcoxon", 0.05, 6) == 8 and pairs_needed("permutation", 0.05, 6) == 8
    assert pairs_needed("permutation", 0.05, 251) is None and pairs_needed("wilcoxon", 0.05, 251) == 14


def test_differences_and_what_is_refused() -> None:
    assert paired_differences([0.75, 0.5, 0.91], [0.25, 0.75, 0.9]) == (0.5, -0.25, 0.01)
    assert paired_differences([7.5e6, 0.5], [2.5e6, 0.5]) == (5e6, 0.0)
    assert paired_differences([7.5e-9, 2e-9], [2.5e-9, 1e-9]) == (5e-9, 1e-9)
    assert paired_differences([], []) == () and paired_differences([0.0], [0.0]) == (0.0,)
    assert set(paired_differences([0.1 + 0.2, 0.3, 0.5], [0.3, 0.3, 0.1])) >= {0.0}
    with pytest.raises(ValueError, match="3 values cannot be paired with 2"):
        paired_differences([1.0, 2.0, 3.0], [1.0, 2.0])
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            paired_test([1.0, 2.0, bad], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"no paired test 'z': there are t, wilcoxon, permutation"):
        paired_test(LEFT, RIGHT, "z")
