"""Gaps by hand."""

from __future__ import annotations

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.generalisation import gap, mean_of, memory_overfit_gap


def test_a_gap_needs_both() -> None:
    assert gap(0.75, 0.5) == 0.25
    assert gap(0.25, 0.5) == -0.25
    assert gap(None, 0.5) is gap(0.5, None) is None


def test_the_mean_is_of_what_is_known() -> None:
    assert mean_of([0.5, None, 1.0]) == 0.75
    assert mean_of([None]) is mean_of([]) is None
    assert mean_of([0.0]) == 0.0


def test_the_memorys_gap_is_the_mean_over_tasks_with_both() -> None:
    assert memory_overfit_gap([1.0, 0.75], [0.5, 0.75]) == 0.25
    assert memory_overfit_gap([1.0, None, 0.5], [0.5, 0.0, None]) == 0.5
    assert memory_overfit_gap([], []) is memory_overfit_gap([None], [1.0]) is None
    with pytest.raises(BadCall, match="2 and 1"):
        memory_overfit_gap([1.0, 1.0], [1.0])
