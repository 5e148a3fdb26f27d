"""The gain of one student over another and its standard error, by hand and by scipy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Reading
from lifelong_kd.rounds.paired import Difference, difference
from tests.rounds.made import reading


def test_one_task_by_hand() -> None:
    """d = (0, 1, 1, 0): mean 1/2, variance 4/4 / 3 = 1/3, of the mean 1/12."""
    found = difference({0: reading("1110")}, {0: reading("1000")})
    assert found.mean == pytest.approx(0.5)
    assert found.error == pytest.approx(math.sqrt(1 / 12))


def test_tasks_weigh_the_same_whatever_their_size() -> None:
    """d_0 = (0, 1, 1, 0), d_1 = (-1, 0) of mean -1/2, variance 1/2, of the mean 1/4."""
    found = difference({0: reading("1110"), 1: reading("01")}, {0: reading("1000"), 1: reading("11")})
    assert found.mean == pytest.approx(0.0)
    assert found.error == pytest.approx(math.sqrt(1 / 12 + 1 / 4) / 2)


def test_the_pairs_count_not_the_accuracies() -> None:
    """Both gain 1/4: the one on one sample, the other with three samples won and one lost of eight."""
    sure = difference({0: reading("11000000")}, {0: reading("00000000")})
    unsure = difference({0: reading("11100000")}, {0: reading("00000001")})
    assert sure.mean == unsure.mean == 0.25
    assert sure.error == pytest.approx(math.sqrt(1.5 / 7 / 8))
    assert unsure.error == pytest.approx(math.sqrt((4 - 8 / 16) / 7 / 8))


def test_its_ratio_is_the_statistic_of_the_paired_t_test() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(60, generator=generator) < share for share in (0.7, 0.5))
    found = difference(
        {3: Reading(float(one.double().mean()), None, one)},
        {3: Reading(float(other.double().mean()), None, other)},
    )
    expected = stats.ttest_rel(one.double().numpy(), other.double().numpy()).statistic
    assert found.mean / found.error == pytest.approx(expected)


def test_other_samples_are_no_pairs() -> None:
    """Variances 1/4 of n = 4 and 1/2 of n = 2, each around its own mean."""
    found = difference({0: reading("1110")}, {0: reading("10")})
    assert found.mean == pytest.approx(0.25)
    assert found.error == pytest.approx(math.sqrt(0.25 / 4 + 0.5 / 2))


def test_one_sample_says_nothing() -> None:
    found = difference({0: reading("1")}, {0: reading("0")})
    assert (found.mean, found.error) == (1.0, math.inf)
    assert found.beyond(0) and not found.beyond(0.01)


def test_no_difference_is_no_gain() -> None:
    found = difference({0: reading("10")}, {0: reading("10")})
    assert (found.mean, found.error) == (0.0, 0.0)
    assert not found.beyond(0)


@pytest.mark.parametrize(
    ("mean", "error", "noise", "gain"),
    [
        (0.2, 0.1, 1.9, True),
        (0.2, 0.1, 2.0, False),
        (0.2, 0.0, 5.0, True),
        (-0.2, 0.0, 0.0, False),
        (1e-17, 0.0, 0.0, False),
    ],
)
def test_beyond_the_noise(mean: float, error: float, noise: float, gain: bool) -> None:
    assert Difference(mean, error).beyond(noise) is gain


def test_other_tasks_and_none() -> None:
    with pytest.raises(BadCall, match=r"found \[0, 1\] and \[0\]"):
        difference({0: reading("1"), 1: reading("1")}, {0: reading("1")})
    with pytest.raises(BadCall, match="validation data"):
        difference({}, {})
