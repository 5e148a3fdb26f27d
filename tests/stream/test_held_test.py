"""Which samples of a data set without a test set are its test set."""

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.held_test import share_for_test

Y = torch.tensor([0] * 8 + [1] * 4)


def test_a_share_of_each_class() -> None:
    held = share_for_test(Y, 0.25, ["a", "b"])
    assert torch.bincount(Y[held]).tolist() == [2, 1]
    assert torch.equal(held, share_for_test(Y, 0.25, ["a", "b"]))
    # Never all of a class, and never none.
    assert torch.bincount(Y[share_for_test(Y, 0.99, ["a", "b"])]).tolist() == [7, 3]
    assert torch.bincount(Y[share_for_test(Y, 0.01, ["a", "b"])]).tolist() == [1, 1]


def test_and_of_each_domain() -> None:
    domain = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 0, 0, 0, 1])
    held = share_for_test(Y, 0.25, ["a", "b"], domain)
    pairs = list(zip(Y[held].tolist(), domain[held].tolist(), strict=True))
    # The only sample of class b in domain 1 is for training.
    assert sorted(pairs) == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_what_cannot_be_shared_out() -> None:
    with pytest.raises(BadCall, match="'b' has a single sample"):
        share_for_test(torch.tensor([0, 0, 1]), 0.5, ["a", "b"])
    with pytest.raises(BadCall, match="'a' has a single sample in each of its domains"):
        share_for_test(torch.tensor([0, 0, 0]), 0.5, ["a"], torch.tensor([0, 1, 2]))
