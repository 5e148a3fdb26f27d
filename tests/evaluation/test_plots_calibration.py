"""The reliability diagram: bars, gaps and the error in its title."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots_calibration
from lifelong_kd.evaluation.plots_calibration import plot_reliability


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, in order."""
    figures: list[Figure] = []
    save = plots_calibration.save

    def keep(figure: Figure, path: Path | str) -> Path:
        figures.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots_calibration, "save", keep)
    return figures


def test_bars_gaps_and_error(drawn: list[Figure], tmp_path: Path) -> None:
    path = plot_reliability(
        [0, 1, 3, 0],
        [None, 1.0, 0.5, None],
        [None, 0.4, 0.7, None],
        tmp_path / "new" / "reliability.png",
        title="After task 2",
    )
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [file.name for file in path.parent.iterdir()] == ["reliability.png"]
    upper, lower = drawn[0].axes
    # (1 * 0.6 + 3 * 0.2) / 4
    assert upper.get_title() == "After task 2: ECE 30.0 %"
    accuracy, gaps = upper.containers
    assert [(bar.get_x(), bar.get_height()) for bar in accuracy] == [(25, 100), (50, 50)]
    assert [bar.get_y() + bar.get_height() for bar in gaps] == [pytest.approx(40), pytest.approx(70)]
    assert [bar.get_height() for bar in lower.containers[0]] == [0, 25, 75, 0]
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert texts == ["accuracy", "gap to confidence", "accuracy 62.5 %", "mean confidence 62.5 %"]
    assert upper.get_xlim() == lower.get_xlim() == (0, 100)


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with pytest.raises(BadCall, match="found 0 samples in 1 bins"):
        plot_reliability([0], [None], [None], path)
    with pytest.raises(BadCall, match="2 accuracies and 1 confidences"):
        plot_reliability([1], [1.0, 1.0], [1.0], path)
    assert not path.exists()
