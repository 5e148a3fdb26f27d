"""The heat map of accuracy under corruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots_robustness
from lifelong_kd.evaluation.plots_robustness import plot_corruptions


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, in order."""
    figures: list[Figure] = []
    save = plots_robustness.save

    def keep(figure: Figure, path: Path | str) -> Path:
        figures.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots_robustness, "save", keep)
    return figures


def test_cells_and_names(drawn: list[Figure], tmp_path: Path) -> None:
    path = plot_corruptions(
        [[0.8, 0.4], [0.6, 0.2]],
        tmp_path / "c.png",
        families=["noise", "blur"],
        severities=[1, 5],
        clean=0.9,
    )
    assert path.read_bytes()[:4] == b"\x89PNG"
    axes = drawn[0].axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[90, 80, 40], [90, 60, 20]])
    assert [text.get_text() for text in axes.texts] == ["90", "80", "40", "90", "60", "20"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "5"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["noise", "blur"]
    assert axes.get_xlabel() == "severity (0: the same samples, clean)"


def test_without_clean_data(drawn: list[Figure], tmp_path: Path) -> None:
    plot_corruptions([[0.5]], tmp_path / "c.png", families=["jpeg"], severities=[3])
    axes = drawn[0].axes[0]
    assert axes.images[0].get_array().tolist() == [[50]] and axes.get_xlabel() == "severity"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3"]


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with pytest.raises(BadCall, match=r"nothing to plot in accuracies of shape \(0,\)"):
        plot_corruptions([], path, families=[], severities=[])
    with pytest.raises(BadCall, match="1 names were given for 2"):
        plot_corruptions([[0.5], [0.5]], path, families=["noise"], severities=[1])
    with pytest.raises(BadCall, match="2 names were given for 1"):
        plot_corruptions([[0.5]], path, families=["noise"], severities=[1, 2])
    assert not path.exists()
