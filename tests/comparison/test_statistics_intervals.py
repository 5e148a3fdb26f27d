from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats

from lifelong_kd.comparison.statistics import Bounds, bootstrap_interval, fewest_values, t_interval

VALUES = [0.61, 0.58, 0.66, 0.70, 0.59, 0.63, 0.62, 0.90]


def test_t_interval_is_scipys() -> None:
    interval = t_interval(VALUES, 0.9)
    expected = stats.ttest_1samp(VALUES, 0).confidence_interval(0.9)
    assert interval.half_width is not None
    assert interval.mean - interval.half_width == pytest.approx(expected.low, rel=1e-12)
    assert interval.mean + interval.half_width == pytest.approx(expected.high, rel=1e-12)


def test_bootstrap_is_scipys_bca_at_the_widened_level() -> None:
    # n = 8: t(0.975, 7) = 2.364624, times sqrt(8 / 7) = 2.527890, of which Phi(-x) = 0.0057372
    values = np.random.default_rng(2).exponential(size=8).tolist()
    expected = stats.bootstrap(
        (sorted(values),),
        np.mean,
        confidence_level=1 - 2 * 0.0057372,
        method="BCa",
        n_resamples=9999,
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = bootstrap_interval(values)
    assert found is not None and found.note == ""
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_bootstrap_leans_to_where_the_values_do() -> None:
    found = bootstrap_interval(VALUES)
    mean = math.fsum(VALUES) / 8
    assert found is not None and found.high - mean > 1.5 * (mean - found.low) > 0
    mirrored = bootstrap_interval([-value for value in VALUES])
    assert mirrored is not None
    assert (-mirrored.high, -mirrored.low) == pytest.approx((found.low, found.high), abs=0.02)


def test_bootstrap_knows_no_order_no_state_and_no_unit() -> None:
    first = bootstrap_interval(VALUES)
    random.seed(3)
    np.random.seed(3)
    assert bootstrap_interval(VALUES[::-1]) == first
    bootstrap_interval([0.1, 0.2, 0.4, 0.5, 0.6, 0.7])
    assert bootstrap_interval(VALUES) == first
    percent = bootstrap_interval([100 * value for value in VALUES])
    assert first is not None and percent is not None
    assert (percent.low, percent.high) == pytest.approx((100 * first.low, 100 * first.high), rel=1e-9)


def test_too_few_values_for_a_bootstrap() -> None:
    assert bootstrap_interval([]) is None and bootstrap_interval([0.5]) is None
    assert bootstrap_interval([0.5, 0.5]) == Bounds(0.5, 0.5, "no spread")
    assert bootstrap_interval([0.5] * 9) == Bounds(0.5, 0.5, "no spread")
    few = bootstrap_interval([1.0, 2.0, 3.0])
    assert few is not None and "too few for a bootstrap" in few.note
    assert (few.low, few.high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)
    # 2 / 2^5 = 0.0625 is more than 0.05, 2 / 2^6 is not.
    assert [bool(bound and bound.note) for bound in map(bootstrap_interval, (VALUES[:5], VALUES[:6]))] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("confidence", "least"), [(0.5, 2), (0.75, 3), (0.76, 4), (0.9, 5), (0.95, 6), (0.99, 8)]
)
def test_fewest_values(confidence: float, least: int) -> None:
    assert fewest_values(confidence) == least
    assert 2 / 2**least <= 1 - confidence + 1e-12 and 2 / 2 ** (least - 1) > 1 - confidence


@pytest.mark.parametrize(("count", "samples"), [(5, 1000), (10, 400)])
def test_coverage_of_a_normal_mean(count: int, samples: int) -> None:
    drawn = np.random.default_rng(count).normal(size=(samples, count)).tolist()
    within = {"t": 0, "bootstrap": 0}
    for values in drawn:
        interval, bounds = t_interval(values), bootstrap_interval(values)
        assert interval.half_width is not None and bounds is not None
        within["t"] += abs(interval.mean) <= interval.half_width
        within["bootstrap"] += bounds.low <= 0 <= bounds.high
    slack = 3 * math.sqrt(0.95 * 0.05 / samples)
    assert abs(within["t"] / samples - 0.95) <= slack
    # 95 % of 5 by Student's, 94 % of 10 by the bootstrap; plain BCa has 83 and 90 %.
    assert abs(within["bootstrap"] / samples - (0.95 if count == 5 else 0.94)) <= slack
