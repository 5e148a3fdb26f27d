"""Teacher and student side by side, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots_compression
from lifelong_kd.evaluation.compression import (
    COSTS,
    Measured,
    compression_table,
    falls,
    latest_accuracies,
    ratio,
    write_markdown,
)
from lifelong_kd.evaluation.plots_compression import plot_compression
from lifelong_kd.evaluation.scores import forgetting_per_task


def costs(size: float) -> dict[str, float]:
    return dict.fromkeys(COSTS, size)


STUDENT = Measured("student", costs(10), [0.5, 0.75, 1.0], [0.25, 0.0, None])
LARGE = Measured("large", costs(40), [1.0, None, 0.5], [None, None, None], [0.75, None, 1.0])


def test_the_last_accuracies_and_how_far_they_fell() -> None:
    rows = [[0.9], [0.6, 1.0], [0.8, 0.7, 0.5]]
    assert latest_accuracies(rows) == [0.8, 0.7, 0.5]
    assert falls(rows) == pytest.approx([0.1, 0.3, None])
    square = [[0.9, 0, 0], [0.6, 1.0, 0], [0.8, 0.7, 0.5]]
    assert falls(rows)[:2] == pytest.approx(forgetting_per_task(square))
    # An expert of each task, and a teacher that taught nothing in the second.
    assert latest_accuracies([[1.0], [None, 0.5]]) == [1.0, 0.5] and falls([[1.0], [None, 0.5]]) == [
        None,
        None,
    ]
    assert latest_accuracies([[1.0], [], [None, None, 0.5]]) == [1.0, None, 0.5]
    assert latest_accuracies([]) == falls([]) == []


def test_means_are_over_what_there_is() -> None:
    assert STUDENT.average == 0.75 and STUDENT.forgetting == 0.125
    assert LARGE.average == 0.75 and LARGE.forgetting is None
    assert LARGE.student_average == 0.875
    nothing = Measured("nothing", costs(1), [None, None, None], [None] * 3, [None] * 3)
    assert nothing.average is nothing.forgetting is nothing.student_average is None


def test_nothing_is_divided_by_nothing() -> None:
    assert (
        ratio(1, 4) == 0.25 and ratio(1, 0) is ratio(None, 4) is ratio(1, None) is None and ratio(0, 4) == 0
    )


def test_the_table() -> None:
    large = Measured("large", costs(40), [1.0, None, 0.5], [0.5, None, None], [0.25, None, 0.5])
    columns, rows = compression_table(STUDENT, [large])
    assert columns == ["compression", "student", "large", "student / large"]
    assert rows[: len(COSTS)] == [[label, 10, 40, 0.25] for label in COSTS.values()]
    assert rows[len(COSTS) :] == [
        ["tasks that it knows", 3, 2, None],
        ["accuracy over these, %", 75.0, 75.0, 0.5],
        ["the student's among its classes, %", None, 37.5, None],
        ["forgetting, %", 12.5, 50.0, None],
    ]
    columns, rows = compression_table(STUDENT, [])
    assert columns == ["compression", "student"] and len(rows) == len(COSTS) + 3


def test_markdown(tmp_path: Path) -> None:
    path = write_markdown(
        tmp_path / "deep" / "t.md", "Title", ["what", "a", "b"], [["size", 12345, None], ["s", 0.123456, "x"]]
    )
    assert path.read_text(encoding="utf-8") == (
        "# Title\n\n| what | a | b |\n|---|---:|---:|\n| size | 12,345 | - |\n| s | 0.1235 | x |\n"
    )
    assert [file.name for file in path.parent.iterdir()] == ["t.md"]


def test_the_picture_has_a_point_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    save = plots_compression.save
    monkeypatch.setattr(
        plots_compression, "save", lambda figure, path: (drawn.append(figure), save(figure, path))[1]
    )
    unknown = Measured("unknown", costs(1), [None] * 3, [None] * 3)
    path = plot_compression([STUDENT, unknown, LARGE], tmp_path / "c.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    for panel in drawn[0].axes:
        points = {
            str(line.get_label()): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
            for line in panel.lines
        }
        assert points == {"student": (10.0, 75.0), "large": (40.0, 75.0)} and panel.get_xscale() == "log"
    with pytest.raises(BadCall, match="no network with an accuracy"):
        plot_compression([unknown], tmp_path / "d.png")
