"""Weights made of other weights."""

import pytest

from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.combined import PerOldClass, Product, Sum
from lifelong_kd.schedule.gradient_ratio import GradientRatio
from lifelong_kd.schedule.ratio import OldAll

LATER = Moment(task=2, old=4, new=2)


def test_product_and_sum() -> None:
    assert Product(of=3.0, by=OldAll())(LATER) == pytest.approx(3 * 4 / 6)
    assert Sum(of=[0.0, 1.0, 2.0], by=OldAll())(LATER) == pytest.approx(2 + 4 / 6)


def test_by_the_number_of_old_classes() -> None:
    assert PerOldClass(of=6.0)(LATER) == 1.5
    assert PerOldClass(of=6.0)(Moment(task=0, old=0, new=2)) == 0.0


def test_adaptive_parts_are_found() -> None:
    inner = GradientRatio()
    whole = Sum(of=1.0, by=Product(of=inner, by=2.0))
    assert any(part is inner for part in whole.parts())
