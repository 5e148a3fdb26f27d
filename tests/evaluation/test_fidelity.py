"""Fidelity by hand: what counts, what competes, and what is left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.fidelity import agreement, correlation, divergence, mean_entropy

LOG2, LOG3 = math.log(2), math.log(3)


def test_agreement_counts_equal_top_classes_among_the_columns() -> None:
    student = torch.tensor([[3.0, 1.0, 9.0], [0.0, 2.0, 9.0], [1.0, 0.0, 9.0], [5.0, 1.0, 9.0]])
    teacher = torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [4.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
    assert agreement(student, teacher, [0, 1]) == 0.75
    assert agreement(student, teacher) == 0.0
    # A teacher with fewer columns is compared at those.
    assert agreement(student, teacher[:, :2]) == 0.75


def test_divergence_is_of_the_teacher_from_the_student() -> None:
    # Teacher (3/4, 1/4), student (1/2, 1/2): 3/4 log(3/2) + 1/4 log(1/2).
    teacher, student = torch.tensor([[LOG3, 0.0]]), torch.tensor([[0.0, 0.0]])
    forward = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    backward = 0.5 * math.log(2 / 3) + 0.5 * math.log(2)
    assert divergence(student, teacher) == pytest.approx(forward, abs=1e-7)
    assert divergence(teacher, student) == pytest.approx(backward, abs=1e-7)
    both = divergence(torch.cat([student, teacher]), torch.cat([teacher, teacher]))
    assert both == pytest.approx(forward / 2, abs=1e-7)


def test_divergence_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(20, 7, generator=generator) * 3 for _ in range(2))
    expected = F.kl_div(
        student.log_softmax(1), teacher.log_softmax(1), log_target=True, reduction="batchmean"
    )
    assert divergence(student, teacher) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("missing", [-torch.inf, torch.nan])
@pytest.mark.parametrize("side", ["student", "teacher", "both"])
def test_a_class_without_a_score_does_not_compete(missing: float, side: str) -> None:
    student = torch.tensor([[0.0, 0.0, 5.0], [0.0, 1.0, 5.0]])
    teacher = torch.tensor([[LOG3, 0.0, 9.0], [0.0, 1.0, 9.0]])
    for name, logits in (("student", student), ("teacher", teacher)):
        if side in (name, "both"):
            logits[:, 2] = missing
    assert divergence(student, teacher) == pytest.approx(
        (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2, abs=1e-7
    )
    assert agreement(student, teacher) == 1.0


def test_a_sample_without_any_class_left_does_not_count() -> None:
    student = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    teacher = torch.tensor([[0.0, 1.0], [torch.nan, -torch.inf]])
    assert agreement(student, teacher) == 1.0
    assert divergence(student, teacher) == 0.0
    assert agreement(student[1:], teacher[1:]) is None
    assert divergence(student[1:], teacher[1:]) is None
    assert mean_entropy(teacher[1:]) is None
    empty = torch.zeros(0, 3)
    assert agreement(empty, empty) is divergence(empty, empty) is mean_entropy(empty) is None
    assert agreement(student, teacher, []) is None


def test_one_class_says_nothing_wrong() -> None:
    assert agreement(torch.tensor([[7.0]]), torch.tensor([[-3.0]])) == 1.0
    assert divergence(torch.tensor([[7.0]]), torch.tensor([[-3.0]])) == 0.0
    assert mean_entropy(torch.tensor([[7.0]])) == 0.0


def test_extreme_logits_stay_finite() -> None:
    found = divergence(torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]]))
    assert found == pytest.approx(2e4)


def test_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0, -torch.inf], [0.0, -torch.inf, -torch.inf]])
    assert mean_entropy(logits) == pytest.approx(LOG2 / 2)
    assert mean_entropy(torch.zeros(2, 4), [0, 1, 2]) == pytest.approx(LOG3)


def test_shapes_and_columns_are_checked() -> None:
    with pytest.raises(BadCall, match="same samples"):
        agreement(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(BadCall, match="same samples"):
        mean_entropy(torch.zeros(3))
    with pytest.raises(BadCall, match="column 2 is asked for"):
        divergence(torch.zeros(2, 3), torch.zeros(2, 2), [0, 2])


def test_correlation_is_pearsons() -> None:
    first, second = [0.1, 0.4, 0.3, 0.9], [1.0, 0.2, 0.8, 0.1]
    assert correlation(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert correlation([1.0, 2.0, 3.0], [6.0, 4.0, 2.0]) == pytest.approx(-1.0)
    assert correlation([1.0, 2.0], [1.0, 2.0]) is None
    assert correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert correlation([], []) is None
    with pytest.raises(BadCall, match="3 and 2 values"):
        correlation([1.0, 2.0, 3.0], [1.0, 2.0])
