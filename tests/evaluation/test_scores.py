"""Scores against matrices worked by hand."""

from __future__ import annotations

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.matrix import AccuracyMatrix
from lifelong_kd.evaluation.scores import (
    average_accuracy,
    average_accuracy_curve,
    average_incremental_accuracy,
    backward_transfer,
    forgetting,
    forgetting_per_task,
    forward_transfer,
    learning_accuracy,
    summarise,
)

# Task 0 is best after task 1, task 1 loses, the last row helps no one.
FORGETS = [
    [0.90, 0.20, 0.10],
    [0.95, 0.80, 0.30],
    [0.50, 0.60, 0.70],
]
BEFORE = [0.10, 0.05, 0.20]
# Later tasks help the earlier ones.
HELPS = [
    [0.50, 0.00, 0.00],
    [0.60, 0.40, 0.00],
    [0.70, 0.60, 1.00],
]


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-12)


def test_scores_of_a_forgetful_model() -> None:
    assert average_accuracy_curve(FORGETS) == [near(0.9), near(0.875), near(0.6)]
    assert average_accuracy(FORGETS) == near(0.6)
    assert average_incremental_accuracy(FORGETS) == near((0.9 + 0.875 + 0.6) / 3)
    assert learning_accuracy(FORGETS) == near(0.8)
    # Best before the last task: 0.95 (not 0.90) and 0.80.
    assert forgetting_per_task(FORGETS) == [near(0.45), near(0.20)]
    assert forgetting(FORGETS) == near(0.325)
    # From right after learning: 0.50 - 0.90 and 0.60 - 0.80.
    assert backward_transfer(FORGETS) == near(-0.3)
    # 0.20 - 0.05 and 0.30 - 0.20.
    assert forward_transfer(FORGETS, BEFORE) == near(0.125)


def test_scores_of_a_model_whose_tasks_help() -> None:
    assert average_accuracy(HELPS) == near(2.3 / 3)
    assert average_incremental_accuracy(HELPS) == near((0.5 + 0.5 + 2.3 / 3) / 3)
    assert forgetting(HELPS) == near(-0.15)
    assert backward_transfer(HELPS) == near(0.2)
    assert forward_transfer(HELPS, [0.0, 0.1, 0.0]) == near(-0.05)


def test_an_earlier_peak_before_learning_counts_as_the_paper_has_it() -> None:
    R = [[0.5, 0.9, 0.0], [0.5, 0.6, 0.0], [0.5, 0.6, 0.5]]
    assert forgetting_per_task(R) == [near(0.0), near(0.3)]


def test_scores_half_way_look_only_at_tasks_learned() -> None:
    R = FORGETS[:2]
    assert average_accuracy(R) == near(0.875)
    assert average_incremental_accuracy(R) == near((0.9 + 0.875) / 2)
    assert learning_accuracy(R) == near(0.85)
    assert forgetting(R) == near(-0.05) and backward_transfer(R) == near(0.05)
    assert forward_transfer(R, BEFORE) == near(0.15)


def test_what_is_not_defined_is_none() -> None:
    matrix = AccuracyMatrix(3)
    assert set(summarise(matrix).values()) == {None}
    matrix.add_row(FORGETS[0])
    assert summarise(matrix) == {
        "average_accuracy": near(0.9),
        "average_incremental_accuracy": near(0.9),
        "learning_accuracy": near(0.9),
        "forgetting": None,
        "backward_transfer": None,
        "forward_transfer": None,
    }
    assert forgetting_per_task(FORGETS[:1]) == []
    assert forward_transfer(FORGETS, None) is None


def test_summary_of_a_whole_run() -> None:
    assert summarise(AccuracyMatrix.from_list(FORGETS, BEFORE)) == {
        "average_accuracy": near(0.6),
        "average_incremental_accuracy": near(2.375 / 3),
        "learning_accuracy": near(0.8),
        "forgetting": near(0.325),
        "backward_transfer": near(-0.3),
        "forward_transfer": near(0.125),
    }


def test_scores_refuse_what_is_no_accuracy_matrix() -> None:
    with pytest.raises(BadCall, match="equal length"):
        average_accuracy([[0.1, 0.2], [0.3]])
    with pytest.raises(BadCall, match=r"\(2, 1\)"):
        forgetting([[0.1], [0.3]])
    with pytest.raises(BadCall, match="2 accuracies, but there are 3"):
        forward_transfer(FORGETS, [0.1, 0.2])


def test_matrix_round_trip_keeps_its_own_copy() -> None:
    matrix = AccuracyMatrix.from_list(FORGETS[:2], BEFORE)
    assert matrix.to_list() == FORGETS[:2] and matrix.before == BEFORE
    assert (matrix.tasks, matrix.learned) == (3, 2)
    matrix.to_list()[0][0] = 0.0
    assert matrix.to_list() == FORGETS[:2]
    matrix.before = None
    assert matrix.before is None and AccuracyMatrix.from_list([], tasks=4).tasks == 4


def test_matrix_refuses_bad_rows() -> None:
    matrix = AccuracyMatrix(2)
    with pytest.raises(BadCall, match="after task 0 are 3, but there are 2 tasks"):
        matrix.add_row([0.1, 0.2, 0.3])
    with pytest.raises(BadCall, match="in \\[0, 1\\], but those after task 0"):
        matrix.add_row([93.0, 0.0])
    with pytest.raises(BadCall, match="in \\[0, 1\\]"):
        matrix.add_row([float("nan"), 0.0])
    with pytest.raises(BadCall, match="before the first task are 1"):
        AccuracyMatrix(2, before=[0.5])
    assert matrix.learned == 0
    matrix.add_row([1, 0])
    matrix.add_row([1, 1])
    with pytest.raises(BadCall, match="all 2 tasks"):
        matrix.add_row([1, 1])
    with pytest.raises(BadCall, match="at least one task"):
        AccuracyMatrix(0)
    with pytest.raises(BadCall, match="needs the number of its tasks"):
        AccuracyMatrix.from_list([])
