"""Scores under corruption, worked by hand."""

from __future__ import annotations

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.robustness import corruption_scores, relative_robustness


def test_scores_by_hand() -> None:
    scores = corruption_scores([[0.6], [0.7, 0.8], [0.3, 0.5, 0.7]], [0.5, 0.5, 1.0])
    assert scores == {
        "corruption_accuracy": pytest.approx(0.5),
        "clean_accuracy": pytest.approx(2 / 3),
        "relative_robustness": pytest.approx(0.75),
        # From the best, 0.7 and 0.8; from what it was once learned, 0.6 and 0.8.
        "corruption_forgetting": pytest.approx((0.4 + 0.3) / 2),
        "corruption_backward_transfer": pytest.approx((-0.3 - 0.3) / 2),
    }


def test_scores_without_tasks_or_with_one() -> None:
    assert set(corruption_scores([], []).values()) == {None}
    one = corruption_scores([[0.25]], [0.5])
    assert one["corruption_accuracy"] == 0.25 and one["relative_robustness"] == 0.5
    assert one["corruption_forgetting"] is None and one["corruption_backward_transfer"] is None


def test_relative_robustness_of_nothing() -> None:
    assert relative_robustness(0.1, 0.0) is None
    assert relative_robustness(None, 0.5) is None and relative_robustness(0.5, None) is None
    assert relative_robustness(0.0, 0.5) == 0


def test_what_is_refused() -> None:
    with pytest.raises(BadCall, match="row 1 of a corruption accuracy matrix has 1 values, not 2"):
        corruption_scores([[0.5], [0.5]], [0.5, 0.5])
    with pytest.raises(BadCall, match="1 clean accuracies were given for 2 tasks"):
        corruption_scores([[0.5], [0.5, 0.5]], [0.5])
