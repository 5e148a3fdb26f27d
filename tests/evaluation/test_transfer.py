"""Intransigence and transfer from the past, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.scores import forward_transfer, learning_accuracy
from lifelong_kd.evaluation.transfer import (
    intransigence,
    intransigence_per_task,
    right_after,
    transfer_from_past,
    transfer_from_past_per_task,
)

R = [[0.9, 0.2, 0.1], [0.6, 0.8, 0.3], [0.5, 0.7, 0.6]]


def test_right_after_is_the_diagonal() -> None:
    assert right_after(R) == [0.9, 0.8, 0.6]
    assert right_after(np.array(R[:2])) == [0.9, 0.8]
    assert np.mean(right_after(R)) == pytest.approx(learning_accuracy(R))


def test_intransigence() -> None:
    joint = [0.9, 0.85, 0.9]
    assert intransigence_per_task(R, joint) == pytest.approx([0.0, 0.05, 0.3])
    assert intransigence(R, joint) == pytest.approx(0.35 / 3)
    # After two tasks what the reference knows of the third has no part.
    assert intransigence(R[:2], joint) == pytest.approx(0.025)
    # Learned better than by the reference.
    assert intransigence(R, [0.8, 0.7, 0.5]) == pytest.approx(-0.1)


def test_transfer_from_past() -> None:
    fresh = [0.1, 0.75, 0.7]
    # 0.8 - 0.75 and 0.6 - 0.7; the first task has no past.
    assert transfer_from_past_per_task(R, fresh) == pytest.approx([0.05, -0.1])
    assert transfer_from_past(R, fresh) == pytest.approx(-0.025)
    assert transfer_from_past(R[:2], fresh) == pytest.approx(0.05)


def test_transfer_from_past_is_not_gems_forward_transfer() -> None:
    before = [0.1, 0.1, 0.1]
    assert forward_transfer(R, before) == pytest.approx(0.15)
    assert transfer_from_past(R, before) == pytest.approx(0.6)


def test_undefined() -> None:
    assert right_after([]) == [] and intransigence_per_task([], []) == []
    assert intransigence([], []) is None and transfer_from_past([], []) is None
    assert intransigence([[0.5, 0.0]], [0.75]) == 0.25
    assert transfer_from_past([[0.5, 0.0]], [0.75]) is None


@pytest.mark.parametrize("score", [intransigence, transfer_from_past])
def test_errors(score: object) -> None:
    assert callable(score)
    with pytest.raises(BadCall, match="has 2 accuracies, but 3 tasks were learned"):
        score(R, [0.5, 0.5])
    with pytest.raises(BadCall, match=r"lie in \[0, 1\]"):
        score(R, [0.5, 0.5, 50.0])
    with pytest.raises(BadCall, match=r"lie in \[0, 1\]"):
        score(R, [0.5, 0.5, float("nan")])
    with pytest.raises(BadCall, match="rows of equal length"):
        score([[0.5, 0.1], [0.2]], [0.5, 0.5])
    with pytest.raises(BadCall, match=r"found \(2, 1\)"):
        score([[0.5], [0.2]], [0.5, 0.5])
