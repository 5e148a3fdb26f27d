"""Calibration error and confusion matrix against values worked by hand and slow loops."""

from __future__ import annotations

import math

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.calibration import (
    calibration_error,
    calibration_sums,
    expected_calibration_error,
)
from lifelong_kd.evaluation.confusion import confusion_matrix


def test_calibration_error_by_hand() -> None:
    # Two bins, (0, 0.5] and (0.5, 1]. In the upper: confidences 0.75, 0.75, 1.0, right twice of three;
    # in the lower: confidence 0.5, wrong.
    probabilities = torch.tensor([[0.75, 0.25], [0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    targets = torch.tensor([0, 0, 0, 1])
    upper, lower = 3 / 4 * abs(2 / 3 - 2.5 / 3), 1 / 4 * abs(0 - 0.5)
    assert expected_calibration_error(probabilities, targets, bins=2) == pytest.approx(upper + lower)
    # One bin: accuracy 1/2, confidence 3/4.
    assert expected_calibration_error(probabilities, targets, bins=1) == pytest.approx(0.25)


def test_calibration_error_against_a_slow_loop() -> None:
    torch.manual_seed(0)
    probabilities = torch.randn(500, 4).mul(2).softmax(1)
    targets = torch.randint(4, (500,))
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, target in zip(probabilities.double().tolist(), targets.tolist(), strict=True):
        best = max(range(4), key=lambda c: row[c])
        bins.setdefault(math.ceil(row[best] * 15), []).append((row[best], best == target))
    expected = sum(
        len(items) / 500 * abs(sum(r for _, r in items) / len(items) - sum(c for c, _ in items) / len(items))
        for items in bins.values()
    )
    assert len(bins) > 8
    assert expected_calibration_error(probabilities, targets) == pytest.approx(expected, abs=1e-12)


def test_calibration_of_the_sure_and_right_is_zero_and_of_the_sure_and_wrong_one() -> None:
    sure = torch.eye(3)
    assert expected_calibration_error(sure, torch.tensor([0, 1, 2])) == 0
    assert expected_calibration_error(sure, torch.tensor([1, 2, 0])) == 1


def test_calibration_sums_add_up_over_batches() -> None:
    torch.manual_seed(1)
    probabilities, targets = torch.rand(90, 3).softmax(1), torch.randint(3, (90,))
    parts = sum(
        calibration_sums(p, t, 10) for p, t in zip(probabilities.split(40), targets.split(40), strict=True)
    )
    whole = calibration_sums(probabilities, targets, 10)
    torch.testing.assert_close(parts, whole)
    assert whole.shape == (3, 10) and whole[0].sum() == 90
    assert calibration_error(parts) == pytest.approx(expected_calibration_error(probabilities, targets, 10))


def test_calibration_limits() -> None:
    assert expected_calibration_error(torch.empty(0, 3), torch.empty(0, dtype=torch.int64)) is None
    with pytest.raises(BadCall, match="Are these logits"):
        expected_calibration_error(torch.tensor([[3.0, -1.0]]), torch.tensor([0]))
    with pytest.raises(BadCall, match="at least 1, found 0"):
        expected_calibration_error(torch.tensor([[0.5, 0.5]]), torch.tensor([0]), bins=0)
    with pytest.raises(BadCall, match=r"\(1, 2\) and \(2,\)"):
        expected_calibration_error(torch.tensor([[0.5, 0.5]]), torch.tensor([0, 1]))


def test_confusion_matrix_by_hand() -> None:
    targets = torch.tensor([0, 0, 1, 1, 1, 2])
    predicted = torch.tensor([0, 2, 1, 1, 0, 2])
    matrix = confusion_matrix(predicted, targets, 4)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == [[1, 0, 1, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    empty = torch.empty(0, dtype=torch.int64)
    assert confusion_matrix(empty, empty, 2).tolist() == [[0, 0], [0, 0]]


def test_confusion_matrix_refuses() -> None:
    zero = torch.tensor([0])
    with pytest.raises(BadCall, match=r"predicted classes must lie in \[0, 3\), found 3 to 3"):
        confusion_matrix(torch.tensor([3]), zero, 3)
    with pytest.raises(BadCall, match="true classes"):
        confusion_matrix(zero, torch.tensor([-1]), 3)
    with pytest.raises(BadCall, match=r"\(1,\) and \(2,\)"):
        confusion_matrix(zero, torch.tensor([0, 1]), 3)
