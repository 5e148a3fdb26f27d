"""Plots: PNG files of what was asked for, without pyplot; their texts are read from the figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots

R = [[0.9, 0.2, 0.1], [0.95, 0.8, 0.3], [0.5, 0.6, 0.7]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, in order."""
    figures: list[Figure] = []

    def keep(figure: Figure, path: Path | str) -> Path:
        figures.append(figure)
        return save(figure, path)

    save = plots.save
    monkeypatch.setattr(plots, "save", keep)
    return figures


def size(path: Path) -> tuple[int, int]:
    """Width and height as the PNG's header tells them."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def test_accuracy_matrix(drawn: list[Figure], tmp_path: Path) -> None:
    path = plots.plot_accuracy_matrix(R, tmp_path / "plots" / "matrix.png", names=["a", "b", "c"])
    assert path == tmp_path / "plots" / "matrix.png" and min(size(path)) > 300
    assert [file.name for file in path.parent.iterdir()] == ["matrix.png"]
    axes = drawn[0].axes[0]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (
        "Accuracy matrix",
        "test task",
        "after task",
    )
    assert [text.get_text() for text in axes.texts] == ["90", "20", "10", "95", "80", "30", "50", "60", "70"]
    assert [text.get_color() for text in axes.texts][:3] == ["black", "white", "white"]
    np.testing.assert_allclose(axes.images[0].get_array(), 100 * np.array(R))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]


def test_accuracy_matrix_half_way_and_large(drawn: list[Figure], tmp_path: Path) -> None:
    plots.plot_accuracy_matrix(R[:1], tmp_path / "a.png")
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == ["0"]
    plots.plot_accuracy_matrix(np.eye(60), tmp_path / "b.png")
    assert not drawn[1].axes[0].texts and len(drawn[1].axes[0].get_xticks()) == 20


def test_accuracy_curves(drawn: list[Figure], tmp_path: Path) -> None:
    size(plots.plot_accuracy_curves(R, tmp_path / "curves.png"))
    axes = drawn[0].axes[0]
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    assert lines["task 1"] == ([1, 2], [pytest.approx(80), pytest.approx(60)])
    assert lines["average of tasks seen"] == ([0, 1, 2], [pytest.approx(v) for v in (90, 87.5, 60)])
    assert axes.get_xlabel() == "after task" and len(drawn[0].legends[0].get_texts()) == 4
    plots.plot_accuracy_curves(np.tri(12), tmp_path / "many.png")
    assert len(drawn[1].legends[0].get_texts()) == 1
    assert drawn[1].axes[1].get_ylabel() == "test task"


def test_forgetting(drawn: list[Figure], tmp_path: Path) -> None:
    size(plots.plot_forgetting(R, tmp_path / "forgetting.png"))
    axes = drawn[0].axes[0]
    assert [patch.get_height() for patch in axes.patches] == [pytest.approx(45), pytest.approx(20)]
    assert drawn[0].legends[0].get_texts()[0].get_text() == "mean 32.5 %"
    assert axes.get_xlabel() == "test task" and axes.get_ylabel().endswith("after task 2")


def test_confusion(drawn: list[Figure], tmp_path: Path) -> None:
    counts = [[6, 2, 0], [0, 4, 0], [0, 0, 0]]
    size(plots.plot_confusion(counts, tmp_path / "confusion.png", title="After task 2"))
    axes = drawn[0].axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[75, 25, 0], [0, 100, 0], [0, 0, 0]])
    assert [text.get_text() for text in axes.texts] == ["6", "2", "0", "0", "4", "0", "0", "0", "0"]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (
        "After task 2",
        "predicted class (numbers: samples)",
        "true class",
    )


def test_plots_refuse_what_they_cannot_draw(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with pytest.raises(BadCall, match="nothing to plot"):
        plots.plot_accuracy_matrix([], path)
    with pytest.raises(BadCall, match="2 names were given for 3"):
        plots.plot_accuracy_matrix(R, path, names=["a", "b"])
    with pytest.raises(BadCall, match="from the second task on"):
        plots.plot_forgetting(R[:1], path)
    with pytest.raises(BadCall, match=r"square, found shape \(1, 2\)"):
        plots.plot_confusion([[1, 2]], path)
    assert not path.exists()


def test_plots_import_matplotlib_late_and_never_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys; from lifelong_kd.evaluation import plots; late = 'matplotlib' not in sys.modules;"
        f"plots.plot_accuracy_matrix([[1.0]], {str(tmp_path / 'x.png')!r});"
        "sys.exit(not (late and 'matplotlib.pyplot' not in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
