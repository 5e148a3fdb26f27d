"""Proper scores against values worked by hand and the libraries."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import brier_score_loss

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.likelihood import brier_score, negative_log_likelihood

NONE = torch.empty(0, dtype=torch.int64)


def drawn(samples: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(samples, classes, generator=generator), torch.randint(
        classes, (samples,), generator=generator
    )


def test_nll_is_the_cross_entropy() -> None:
    logits, targets = drawn(200, 6)
    expected = float(torch.nn.functional.cross_entropy(logits, targets))
    assert negative_log_likelihood(logits, targets) == pytest.approx(expected, rel=1e-6)


def test_nll_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(3.0), 0.0]])
    expected = (-math.log(0.75) - math.log(0.25)) / 2
    assert negative_log_likelihood(logits, torch.tensor([1, 1])) == pytest.approx(expected, rel=1e-6)


def test_nll_of_large_logits_is_finite() -> None:
    assert negative_log_likelihood(torch.tensor([[1e4, -1e4]]), torch.tensor([1])) == pytest.approx(2e4)
    assert negative_log_likelihood(torch.tensor([[1e4, -1e4]]), torch.tensor([0])) == 0


def test_nll_leaves_out_what_has_no_score() -> None:
    inf = torch.inf
    logits = torch.tensor([[0.0, 0.0, -inf], [0.0, 0.0, -inf], [5.0, 0.0, 0.0]])
    # The second sample's class is not offered, the third's has no column.
    assert negative_log_likelihood(logits, torch.tensor([1, 2, 3])) == pytest.approx(math.log(2))
    assert negative_log_likelihood(logits, torch.tensor([2, 2, 3])) is None
    assert negative_log_likelihood(torch.empty(0, 3), NONE) is None
    assert negative_log_likelihood(torch.empty(2, 0), torch.tensor([0, 1])) is None


def test_brier_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    # 0.25 + 0.0625 + 0.0625, and 1 + 1.
    assert brier_score(probabilities, torch.tensor([0, 2])) == pytest.approx((0.375 + 2) / 2)
    assert brier_score(torch.eye(3), torch.tensor([0, 1, 2])) == 0
    assert brier_score(torch.eye(3), torch.tensor([1, 2, 0])) == 2
    assert brier_score(torch.empty(0, 3), NONE) is None


def test_brier_of_two_classes_is_twice_that_of_one() -> None:
    logits, targets = drawn(100, 2)
    probabilities = logits.double().softmax(1)
    one = brier_score_loss(targets.numpy(), probabilities[:, 1].numpy())
    assert brier_score(probabilities, targets) == pytest.approx(2 * one)


def test_brier_of_several_classes_is_the_librarys() -> None:
    logits, targets = drawn(100, 4)
    probabilities = logits.double().softmax(1)
    theirs = brier_score_loss(targets.numpy(), probabilities.numpy(), labels=range(4), scale_by_half=False)
    assert brier_score(probabilities, targets) == pytest.approx(theirs)


def test_what_is_refused() -> None:
    with pytest.raises(BadCall, match=r"\(1, 2\) and \(2,\)"):
        negative_log_likelihood(torch.zeros(1, 2), torch.tensor([0, 1]))
    with pytest.raises(BadCall, match="count from 0, found -1"):
        negative_log_likelihood(torch.zeros(1, 2), torch.tensor([-1]))
    with pytest.raises(BadCall, match=r"\(2,\) and \(2,\)"):
        brier_score(torch.zeros(2), torch.tensor([0, 1]))
    with pytest.raises(BadCall, match="class 2 has no column among 2"):
        brier_score(torch.tensor([[0.5, 0.5]]), torch.tensor([2]))
    with pytest.raises(BadCall, match=r"from -3 to 4\. Are these logits"):
        brier_score(torch.tensor([[4.0, -3.0]]), torch.tensor([0]))
    with pytest.raises(BadCall, match="Are these logits"):
        brier_score(torch.tensor([[torch.nan, 0.5]]), torch.tensor([0]))
