"""Probes against scikit-learn called directly, and forgetting by depth on matrices worked by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots_representation
from lifelong_kd.evaluation.representation import (
    deep_forgetting,
    head_forgetting,
    knn_accuracy,
    linear_probe,
    shallow_forgetting,
)

PROBES = [linear_probe, knn_accuracy]


def samples(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Three classes that overlap, of very different scale in each dimension."""
    draw = np.random.default_rng(seed)
    y, test_y = draw.integers(0, 3, 80), draw.integers(0, 3, 60)
    centre, scale = draw.normal(size=(3, 4)), np.array([1.0, 100.0, 0.01, 1.0])
    x = (centre[y] + draw.normal(size=(80, 4))) * scale + 5
    test_x = (centre[test_y] + draw.normal(size=(60, 4))) * scale + 5
    return x, 2 * y, test_x, 2 * test_y


def test_linear_probe_agrees_with_scikit_learn() -> None:
    x, y, test_x, test_y = samples()
    scaler = StandardScaler().fit(x)
    direct = LogisticRegression(C=1.0, max_iter=1000).fit(scaler.transform(x), y)
    expected = float((direct.predict(scaler.transform(test_x)) == test_y).mean())
    assert linear_probe(x, y, test_x, test_y) == expected == linear_probe(x, y, test_x, test_y)
    assert 0.4 < expected < 1


def test_linear_probe_is_linear() -> None:
    # A line splits two classes; of exclusive or it gets no more than three of four.
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert linear_probe(x, [0, 0, 1, 1], x, [0, 0, 1, 1]) == 1.0
    assert linear_probe(x, [0, 1, 1, 0], x, [0, 1, 1, 0]) <= 0.75  # type: ignore[operator]


def test_linear_probe_does_not_complain_of_too_few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning is an error in these tests."""

    class Hasty(LogisticRegression):  # type: ignore[misc]
        def __init__(self, C: float, solver: str, max_iter: int) -> None:
            assert max_iter == 1000
            LogisticRegression.__init__(self, C=C, solver=solver, max_iter=1)

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Hasty)
    assert linear_probe(*samples()) is not None


def test_neighbours_agree_with_scikit_learn() -> None:
    x, y, test_x, test_y = samples(1)
    direct = KNeighborsClassifier(n_neighbors=7, metric="cosine").fit(x, y)
    assert knn_accuracy(x, y, test_x, test_y, neighbours=7) == direct.score(test_x, test_y)


def test_neighbours_by_hand() -> None:
    # By angle, not by distance: (10, 0) is nearest to (1, 0.1), though (9, 9) is closer to it in the plane.
    x, y = [[1.0, 0.1], [9.0, 9.0], [0.0, 2.0]], [0, 1, 1]
    assert knn_accuracy(x, y, [[10.0, 0.0]], [0], neighbours=1) == 1.0
    # Of all three, two are of class 1; more neighbours than samples are all of them.
    assert knn_accuracy(x, y, [[10.0, 0.0]], [0], neighbours=50) == 0.0
    # One vote each: the smaller class wins.
    assert knn_accuracy(x[:2], y[:2], [[0.0, 1.0]], [0], neighbours=2) == 1.0
    # Features that a rectifier has set to zero are asked about like any other.
    assert knn_accuracy(x, y, [[0.0, 0.0]], [1], neighbours=3) == 1.0


@pytest.mark.parametrize("probe", PROBES)
def test_edges_of_probes(probe: Any) -> None:
    one, two = [[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    nothing = np.zeros((0, 2))
    assert probe(one, [4], two, [4, 5]) == 0.5
    assert probe(two, [4, 4], two, [5, 5]) == 0.0
    assert probe(nothing, [], two, [0, 1]) is None
    assert probe(two, [0, 1], nothing, []) is None
    # A feature that never changes has no deviation to divide by.
    assert probe([[1.0, 3.0], [2.0, 3.0]], [0, 1], [[1.0, 3.0]], [0]) == 1.0


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([[1.0]], [0, 1], [[1.0]], [0]), r"\(1, 1\) and \(2,\)"),
        (([[1.0]], [0], [[1.0]], [0, 1]), "belong together"),
        (([[1.0]], [0], [[1.0, 2.0]], [0]), "as many dimensions"),
        (([1.0], [0], [1.0], [0]), r"\(N, D\)"),
        (([[np.nan]], [0], [[1.0]], [0]), "finite"),
        (([[1.0]], [0], [[np.inf]], [0]), "finite"),
    ],
)
def test_probes_refuse(probe: Any, given: Any, words: str) -> None:
    with pytest.raises(BadCall, match=words):
        probe(*given)


def test_neighbours_refuse_none() -> None:
    with pytest.raises(BadCall, match="at least 1, found 0"):
        knn_accuracy([[1.0]], [0], [[1.0]], [0], neighbours=0)


# After each of three tasks, on each; what stands above the diagonal must not be read.
HEAD = [[0.9, 0.1, 0.2], [0.5, 0.8, 0.1], [0.1, 0.2, 0.7]]
PROBE = [[0.95, 0.4, 0.4], [0.9, 0.85, 0.3], [0.7, 0.9, 0.8]]


def test_forgetting_by_depth_by_hand() -> None:
    # Features of task 0: 0.95 -> 0.70, of task 1: 0.85 -> 0.90. Outputs: 0.9 -> 0.1 and 0.8 -> 0.2.
    assert deep_forgetting(PROBE) == pytest.approx([0.25, -0.05])
    assert shallow_forgetting(HEAD) == pytest.approx([0.8, 0.6])
    # The head's own part: 0.8 - 0.25 and 0.6 + 0.05.
    assert head_forgetting(HEAD, PROBE) == pytest.approx([0.55, 0.65])
    # After the second task only the first one can have been forgotten: 0.95 -> 0.90, and 0.9 -> 0.5.
    assert deep_forgetting(PROBE[:2]) == pytest.approx([0.05])
    assert head_forgetting(HEAD[:2], PROBE[:2]) == pytest.approx([0.35])


def test_forgetting_by_depth_without_something() -> None:
    # Rows that end at the diagonal; what was not measured is not known.
    rows = [[1.0], [0.5, None], [0.25, 0.5, 1.0]]
    assert deep_forgetting(rows) == [0.75, None]
    assert head_forgetting(rows, [[1.0], [1.0, 1.0], [None, 1.0, 1.0]]) == [None, None]
    assert deep_forgetting([]) == shallow_forgetting([[0.5]]) == head_forgetting([[0.5]], [[0.5]]) == []


def test_forgetting_by_depth_refuses() -> None:
    with pytest.raises(BadCall, match="row 1 needs an accuracy for each of the tasks 0 to 1, found 1"):
        deep_forgetting([[1.0], [1.0]])
    with pytest.raises(BadCall, match="found 2 and 1 rows"):
        head_forgetting([[1.0], [1.0, 1.0]], [[1.0]])


def test_plot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures: list[Figure] = []
    save = plots_representation.save

    def keep(figure: Figure, path: Path | str) -> Path:
        figures.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots_representation, "save", keep)
    path = plots_representation.plot_forgetting_by_depth([0.8, 0.6], [0.25, -0.05], tmp_path / "p" / "a.png")
    assert path.read_bytes()[:4] == b"\x89PNG" and [file.name for file in path.parent.iterdir()] == ["a.png"]
    axes = figures[0].axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([80, 60, 25, -5])
    # Those of a task stand side by side.
    assert axes.patches[0].get_x() < axes.patches[2].get_x() < axes.patches[1].get_x()
    labels = {text.get_text() for text in figures[0].legends[0].get_texts()}
    assert labels == {"outputs (shallow)", "features (deep)", "mean 70.0 points", "mean 10.0 points"}
    assert axes.get_ylabel().endswith("after task 2")
    plots_representation.plot_forgetting_by_depth([0.5, 0.5], [None, 0.1], tmp_path / "b.png")
    assert len(figures[1].axes[0].patches) == 3
    plots_representation.plot_forgetting_by_depth([0.5], [None], tmp_path / "c.png")
    assert len(figures[2].axes[0].patches) == 1
    plots_representation.plot_forgetting_by_depth([0.5] * 60, [0.1] * 60, tmp_path / "d.png")
    assert len(figures[3].axes[0].get_xticks()) <= 25
    for shallow, deep in (([], []), ([0.1], [])):
        with pytest.raises(BadCall, match=f"found {len(shallow)} and 0"):
            plots_representation.plot_forgetting_by_depth(shallow, deep, tmp_path / "x.png")


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from lifelong_kd.evaluation import representation, similarity, stability;"
        "from lifelong_kd.evaluation import plots_representation, plots_stability;"
        "sys.exit(any(name in sys.modules for name in ('sklearn', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
