"""Continual evaluation and the dip of the stability gap, by hand and by slow loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots_stability
from lifelong_kd.evaluation.stability import (
    dip_area,
    dip_depth,
    dip_rebound,
    dip_recovery,
    minimum_accuracy,
    windowed_forgetting,
    windowed_plasticity,
    worst_case_accuracy,
)

# A dip that half recovers: from 0.8 down to 0.2, back to 0.5, 0.6 in the end.
STEPS = [0, 10, 20, 40, 60]
TRACE = [0.8, 0.2, 0.5, 0.6, 0.6]


def test_minimum_and_worst_case_by_hand() -> None:
    # Task 0 fell to 0.2, task 1 never below 0.7: 0.45 on average.
    minimum = minimum_accuracy([[0.9, 0.2, 0.6], [0.7, 0.7]])
    assert minimum == pytest.approx(0.45)
    # A third of 0.9, two thirds of 0.45; the same as the mean of 0.9, 0.2 and 0.7.
    assert worst_case_accuracy(0.9, minimum, 3) == pytest.approx(0.6)
    assert worst_case_accuracy(0.9, minimum, 3) == pytest.approx(np.mean([0.9, 0.2, 0.7]))
    assert minimum_accuracy([]) is None and worst_case_accuracy(0.9, None, 1) == 0.9


def test_dip_by_hand() -> None:
    assert dip_depth(TRACE) == pytest.approx(0.6)
    # 0.8 - 0.6 stays forgotten, 0.4 came back.
    assert dip_rebound(TRACE) == pytest.approx(0.4)
    # 95 % of 0.6 is 0.57, reached after 40 iterations; 80 % is 0.48, after 20; 30 % is 0.18, at the minimum.
    assert [dip_recovery(STEPS, TRACE, share) for share in (0.95, 0.8, 0.3, 1.0)] == [40, 20, 10, 40]
    # Below 0.6 by 0, 0.4, 0.1, 0, 0: trapezoids of 10 * 0.2, 10 * 0.25, 20 * 0.05.
    assert dip_area(STEPS, TRACE) == pytest.approx(2 + 2.5 + 1)


@pytest.mark.parametrize(
    ("trace", "depth", "rebound", "recovery", "area"),
    [
        ([0.5, 0.5, 0.5], 0.0, 0.0, 0, 0.0),
        ([0.5, 0.75, 1.0], 0.0, 0.0, 0, 0.0),
        ([1.0, 0.5, 0.25], 0.75, 0.0, None, 0.0),
        ([1.0, 0.25, 0.25], 0.75, 0.0, None, 0.0),
        # It ends above where it began: the dip is counted from there.
        ([0.5, 0.25, 1.0], 0.25, 0.25, 20, 2.5),
        # Nothing was left, then nothing came back.
        ([0.5, 0.0, 0.0], 0.5, 0.0, None, 0.0),
    ],
)
def test_dips_of_each_kind(trace: Any, depth: float, rebound: float, recovery: Any, area: float) -> None:
    steps = [0, 10, 20]
    assert (dip_depth(trace), dip_rebound(trace)) == (depth, rebound)
    assert (dip_recovery(steps, trace), dip_area(steps, trace)) == (recovery, area)


def test_a_single_value_has_no_dip() -> None:
    assert (dip_depth([0.5]), dip_rebound([0.5]), dip_recovery([0], [0.5]), dip_area([0], [0.5])) == (
        0,
        0,
        0,
        0,
    )
    assert windowed_forgetting([0.5], 2) == windowed_plasticity([0.5], 2) == 0


def slow_forgetting(trace: list[float], window: int) -> float:
    worst = 0.0
    for start in range(len(trace)):
        inside = trace[start : start + window]
        for m in range(len(inside)):
            for n in range(m + 1, len(inside)):
                worst = max(worst, inside[m] - inside[n])
    return worst


def test_windows_by_hand_and_by_a_slow_loop() -> None:
    # Falls of neighbours: 0.1, 0.6; of three in a row: 0.7.
    assert windowed_forgetting([0.9, 0.8, 0.2, 0.3], 2) == pytest.approx(0.6)
    assert windowed_forgetting([0.9, 0.8, 0.2, 0.3], 3) == pytest.approx(0.7)
    assert windowed_forgetting([0.9, 0.8, 0.2, 0.3], 99) == pytest.approx(0.7)
    # The largest rise is that from the lowest value, which is not the first of the window.
    assert windowed_plasticity([0.5, 0.1, 0.9], 3) == pytest.approx(0.8)
    trace = np.random.default_rng(0).random(40).tolist()
    for window in (2, 5, 10, 60):
        assert windowed_forgetting(trace, window) == pytest.approx(slow_forgetting(trace, window))
        rises = slow_forgetting([-value for value in trace], window)
        assert windowed_plasticity(trace, window) == pytest.approx(rises)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: minimum_accuracy([[0.5], []]), "task 1 has no accuracies"),
        (lambda: worst_case_accuracy(0.5, None, 2), "1 tasks before the current one, found None"),
        (lambda: worst_case_accuracy(0.5, 0.1, 1), "0 tasks before the current one, found 0.1"),
        (lambda: worst_case_accuracy(0.5, None, 0), "0 tasks"),
        (lambda: dip_depth([]), r"shape \(0,\)"),
        (lambda: dip_recovery([0, 1], [1.0, 0.5], 0.0), r"\(0, 1\], found 0.0"),
        (lambda: dip_recovery([0, 1], [1.0, 0.5], 1.5), "found 1.5"),
        (lambda: dip_recovery([0], [1.0, 0.5]), "each of 2 accuracies"),
        (lambda: dip_area([0, 0], [1.0, 0.5]), "rising"),
        (lambda: windowed_forgetting([1.0], 1), "at least 2 evaluations, found 1"),
    ],
)
def test_refused(call: Any, words: str) -> None:
    with pytest.raises(BadCall, match=words):
        call()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    save = plots_stability.save

    def keep(figure: Figure, path: Path | str) -> Path:
        figures.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots_stability, "save", keep)
    return figures


def test_plot(drawn: list[Figure], tmp_path: Path) -> None:
    traces = {0: ([5, 6, 8, 8, 9], [0.9, 0.1, 0.5, 0.5, 0.4]), 1: ([8, 9], [1.0, 0.3])}
    path = plots_stability.plot_stability_gap(traces, [0, 5, 8], tmp_path / "plots" / "gap.png")
    assert path.read_bytes()[:4] == b"\x89PNG" and [file.name for file in path.parent.iterdir()] == [
        "gap.png"
    ]
    axes = drawn[0].axes[0]
    lines = {str(line.get_label()): line for line in axes.lines}
    assert list(lines["task 0"].get_xdata()) == [5, 6, 8, 8, 9]
    assert list(lines["task 1"].get_ydata()) == pytest.approx([100, 30])
    # The switches to tasks 1 and 2.
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [5, 8]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["task 0", "task 1"]
    above = axes.child_axes[0]
    assert [label.get_text() for label in above.get_xticklabels()] == ["learning 1", "learning 2"]
    assert list(above.get_xticks()) == [6.5, 8.5]


def test_plot_of_many_tasks_has_their_mean(drawn: list[Figure], tmp_path: Path) -> None:
    tasks = 20
    switches = [10 * task for task in range(tasks)]
    traces = {
        j: (
            [10 * i + at for i in range(j + 1, tasks) for at in (0, 10)],
            [j / 20 for i in range(j + 1, tasks) for at in (0, 10)],
        )
        for j in range(tasks - 1)
    }
    plots_stability.plot_stability_gap(traces, switches, tmp_path / "many.png")
    axes = drawn[0].axes[0]
    (mean,) = (line for line in axes.lines if line.get_label() == "mean of the earlier tasks")
    assert list(mean.get_xdata()) == traces[0][0]
    # While task i is learned there are tasks 0 to i - 1, of 5 points more each.
    expected = [5 * (i - 1) / 2 for i in range(1, tasks) for at in (0, 10)]
    assert list(mean.get_ydata()) == pytest.approx(expected)
    assert drawn[0].axes[1].get_ylabel() == "earlier task"
    assert len(axes.child_axes[0].get_xticks()) <= 12


def test_plot_refuses_nothing(tmp_path: Path) -> None:
    for traces in ({}, {0: ([], [])}):
        with pytest.raises(BadCall, match="from the second task on"):
            plots_stability.plot_stability_gap(traces, [0], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
