"""The re-derivations themselves, against values worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from tests.reference import losses, memories


def test_the_losses_on_two_classes() -> None:
    # softmax([log 3, 0]) = (3/4, 1/4); at T = 2 the logits are 2 log 3, so that z / T is the same.
    p, q = [math.log(3), 0.0], [0.0, 0.0]
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert losses.kd(q, p, 1.0) == pytest.approx(kl)
    assert losses.kd(q, [2 * math.log(3), 0.0], 2.0) == pytest.approx(4 * kl)
    # One class, sigmoid(log 3) = 3/4: the same two-point divergence.
    assert losses.bce([0.0], [math.log(3)]) == pytest.approx(kl)
    assert losses.mse([1.0, 3.0, 9.0], [0.0, 1.0, math.nan]) == pytest.approx((1 + 4) / 2)
    assert losses.cross_entropy([math.log(3), 50.0, 0.0], 0, [0, 2]) == pytest.approx(math.log(4 / 3))
    assert losses.one_hot_bce([0.0, 0.0, 0.0], 1, [1, 2]) == pytest.approx(2 * math.log(2))


def test_the_batch_losses_are_their_sums() -> None:
    flat, old, new = [[0.0] * 4], [0, 1], [2, 3]
    teacher = [[math.log(3), 0.0, 0.0, 0.0]]
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    taught = losses.lwf(flat, teacher, [2], classes=new, groups=[old], temperature=1.0, weight=2.0)
    assert taught == pytest.approx(math.log(2) + 2 * kl)
    everything = [0, 1, 2, 3]
    assert losses.der(flat, [2], flat, [[2.0, 0, 0, 0]], alpha=0.5, classes=everything) == pytest.approx(
        math.log(4) + 0.5
    )
    assert losses.derpp(
        flat, [2], flat, [[2.0, 0, 0, 0]], flat, [0], alpha=0.5, beta=2.0, classes=everything
    ) == pytest.approx(3 * math.log(4) + 0.5)
    assert losses.icarl(flat, None, [2], old=old, new=new) == pytest.approx(2 * math.log(2))
    # sigmoid(log 3) = 3/4 and sigmoid(0) = 1/2: only the first old column differs.
    assert losses.icarl(flat, teacher, [2], old=old, new=new, weight=3.0) == pytest.approx(
        2 * math.log(2) + 3 * kl
    )
    assert losses.replay(flat, [2], flat, [0], share=(0.25, 0.75), classes=everything) == pytest.approx(
        math.log(4)
    )


def test_the_reservoir_by_hand() -> None:
    # Two slots: 0 and 1 fill them; 0.5 * 3 = 1.5 -> slot 1; 0.6 * 4 = 2.4 -> outside; 0.1 * 5 = 0.5 -> slot 0.
    assert memories.algorithm_r(2, [0.9, 0.9, 0.5, 0.6, 0.1]) == [4, 2]
    assert memories.kept_probability(3, 10) == [Fraction(3, 10)] * 10


def test_the_balanced_reservoir_by_hand() -> None:
    draws = iter([(0.9, 0.0), (0.4, 0.9), (0.9, 0.0)])
    # 0, 0, 0 fill it. Class 1 is not full and takes slot floor(0.9 * 3) = 2. Then a fourth 0 (it holds 2 of 4 met):
    # 0.4 <= 2/4 enters its own slot floor(0.9 * 2) = 1. A fifth: 0.9 > 2/5 stays out.
    assert memories.class_balancing(3, [0, 0, 0, 1, 0, 0], lambda: next(draws)) == [0, 4, 3]


def test_herding_and_nearest_mean_by_hand() -> None:
    # Mean 2: 1 is nearest to it (2 and 5 are not); with 1, the pair (1 + 5) / 2 = 3 is 1 off, (1 + 0) / 2 is 1.5 off.
    assert memories.herding([[0.0], [1.0], [5.0]], 3) == [1, 2, 0]
    found = memories.nearest_mean([5.0, 0.0], {0: [[1.0, 0.0]], 7: [[0.0, 2.0], [0.0, 3.0]]})
    assert found == pytest.approx({0: 0.0, 7: 2.0})
