from __future__ import annotations

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.validation import held_out


def test_each_class_gives_its_share_but_at_least_one_and_never_all() -> None:
    y = torch.tensor([0] * 10 + [1] * 4 + [2] * 2 + [3])
    held = held_out(y, 0.3, Seeds(0))
    assert torch.bincount(y[held], minlength=4).tolist() == [3, 1, 1, 0]


def test_a_large_share_leaves_one_to_train_on() -> None:
    y = torch.tensor([0] * 5 + [1] * 5)
    assert torch.bincount(y[~held_out(y, 0.99, Seeds(0))]).tolist() == [1, 1]


def test_zero_keeps_none() -> None:
    assert not held_out(torch.tensor([0, 0, 1, 1]), 0.0, Seeds(0)).any()


def test_the_draw_follows_the_seed_alone() -> None:
    y = torch.arange(10).repeat(50)
    assert torch.equal(held_out(y, 0.1, Seeds(3)), held_out(y, 0.1, Seeds(3)))
    assert not torch.equal(held_out(y, 0.1, Seeds(3)), held_out(y, 0.1, Seeds(4)))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_the_range_is_an_error(share: float) -> None:
    with pytest.raises(BadCall, match="at least 0 and less than 1"):
        held_out(torch.tensor([0, 0]), share, Seeds(0))
