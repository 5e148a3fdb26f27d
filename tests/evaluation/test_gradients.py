"""Directions of gradients by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.gradients import angle, cosine, norm


def test_all_parameters_are_one_vector() -> None:
    first = [torch.tensor([1.0, 0.0]), torch.tensor([[2.0]])]
    second = [torch.tensor([0.0, 4.0]), torch.tensor([[3.0]])]
    # (1, 0, 2) . (0, 4, 3) = 6; norms sqrt(5) and 5.
    assert norm(second) == 5.0
    assert cosine(first, second) == pytest.approx(6 / (5**0.5 * 5))
    expected = F.cosine_similarity(torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.0, 4.0, 3.0]), dim=0)
    assert cosine(first, second) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("degrees", "other"), [(0, [2.0, 0.0]), (45, [3.0, 3.0]), (90, [0, 1]), (180, [-1, 0])]
)
def test_angles(degrees: float, other: list[float]) -> None:
    assert angle([torch.tensor([5.0, 0.0])], [torch.tensor(other)]) == pytest.approx(degrees)


def test_a_missing_gradient_is_zero() -> None:
    full, part = [torch.tensor([3.0]), torch.tensor([4.0])], [torch.tensor([2.0]), None]
    assert cosine(full, part) == pytest.approx(0.6)
    assert cosine([None, torch.tensor([1.0])], part) == 0.0


def test_zero_and_infinite_gradients_have_no_direction() -> None:
    one = [torch.tensor([1.0, 2.0])]
    for none in (
        [None],
        [torch.zeros(2)],
        [torch.tensor([torch.inf, 0.0])],
        [torch.tensor([torch.nan, 0.0])],
    ):
        assert cosine(one, none) is None
        assert angle(none, one) is None
    assert cosine([], []) is None


def test_tiny_gradients_do_not_vanish_and_rounding_does_not_pass_one() -> None:
    tiny = [torch.full((1000,), 1e-25)]
    assert cosine(tiny, tiny) == pytest.approx(1.0)
    assert angle(tiny, tiny) == pytest.approx(0.0, abs=1e-4)


def test_gradients_of_other_parameters_are_refused() -> None:
    with pytest.raises(BadCall, match="found 1 and 2"):
        cosine([torch.ones(1)], [torch.ones(1), None])
    with pytest.raises(BadCall, match="shapes"):
        cosine([torch.ones(2)], [torch.ones(3)])
