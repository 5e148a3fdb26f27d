"""Outliers: the published scores, and the area under the curve against a loop and the library."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.outliers import energy_score, outlier_auroc, softmax_score


def test_auroc_against_a_loop_and_the_library() -> None:
    generator = torch.Generator().manual_seed(0)
    # Rounded, so that there are ties.
    inliers = (torch.randn(60, generator=generator) + 0.7).mul(4).round() / 4
    outliers = torch.randn(90, generator=generator).mul(4).round() / 4
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in inliers.tolist() for b in outliers.tolist()]
    ours = outlier_auroc(inliers, outliers)
    assert 0.5 in wins and ours == pytest.approx(sum(wins) / len(wins))
    theirs = binary_auroc(
        torch.sigmoid(torch.cat([inliers, outliers])), torch.tensor([1] * 60 + [0] * 90), thresholds=None
    )
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_auroc_by_hand() -> None:
    assert outlier_auroc(torch.tensor([2.0, 3.0]), torch.tensor([1.0])) == 1
    assert outlier_auroc(torch.tensor([1.0]), torch.tensor([2.0, 3.0])) == 0
    assert outlier_auroc(torch.tensor([1.0, 1.0]), torch.tensor([1.0])) == 0.5
    inf = torch.inf
    assert outlier_auroc(torch.tensor([inf, 0.0]), torch.tensor([-inf, 0.0])) == pytest.approx(3.5 / 4)


def test_auroc_of_one_side() -> None:
    some, none = torch.tensor([1.0]), torch.empty(0)
    assert outlier_auroc(some, none) is None and outlier_auroc(none, some) is None
    assert outlier_auroc(none, none) is None


def test_auroc_refuses() -> None:
    with pytest.raises(BadCall, match="NaN"):
        outlier_auroc(torch.tensor([torch.nan]), torch.tensor([1.0]))
    with pytest.raises(BadCall, match=r"\(1, 1\) and \(1,\)"):
        outlier_auroc(torch.tensor([[1.0]]), torch.tensor([1.0]))


def test_softmax_score_by_hand_and_where_the_probability_rounds_to_one() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [5.0, 5.0]])
    assert softmax_score(logits).exp().tolist() == [pytest.approx(0.75), pytest.approx(0.5)]
    sure = torch.tensor([[60.0, 0.0], [50.0, 0.0]])
    assert sure.double().softmax(1)[0, 0] == sure.double().softmax(1)[1, 0] == 1
    surer, less = softmax_score(sure).tolist()
    assert surer > less


def test_softmax_score_of_columns_that_are_not_offered() -> None:
    inf = torch.inf
    scores = softmax_score(torch.tensor([[0.0, 0.0, -inf], [-inf, 3.0, -inf], [-inf, -inf, -inf]]))
    assert scores.tolist() == [pytest.approx(math.log(0.5)), 0.0, -inf]
    assert softmax_score(torch.tensor([[7.0]])).tolist() == [0.0]


def test_energy_score_by_hand() -> None:
    inf = torch.inf
    logits = torch.tensor([[math.log(2.0), math.log(3.0), -inf], [-8192.0, 4.0, -inf], [1e4, 1e4, -inf]])
    assert energy_score(logits).tolist() == [
        pytest.approx(math.log(5)),
        4.0,
        pytest.approx(1e4 + math.log(2)),
    ]


def test_scores_refuse_what_is_no_matrix() -> None:
    for score in (softmax_score, energy_score):
        with pytest.raises(BadCall, match=r"at least one column, found \(3,\)"):
            score(torch.zeros(3))
        with pytest.raises(BadCall, match=r"found \(3, 0\)"):
            score(torch.zeros(3, 0))
        assert score(torch.zeros(0, 2)).shape == (0,)
