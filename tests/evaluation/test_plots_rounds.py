"""The figure of the rounds of each task."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import plots_rounds
from lifelong_kd.evaluation.plots_rounds import Tried, plot_rounds
from lifelong_kd.training.plots import draw


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    save = plots_rounds.save

    def keep(figure: Figure, path: Path | str) -> Path:
        figures.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots_rounds, "save", keep)
    return figures


def points(figure: Figure, label: str) -> list[tuple[float, float]]:
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == label]
    return list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))


def test_each_round_stands_where_it_was_and_is_full_where_it_stayed(
    drawn: list[Figure], tmp_path: Path
) -> None:
    rounds = [Tried(0, 0.9, None, True), Tried(1, 0.5, 0.75, False), Tried(1, 0.75, 0.5, True)]
    assert plot_rounds(rounds, tmp_path / "rounds.png").read_bytes()[:4] == b"\x89PNG"
    (figure,) = drawn
    assert points(figure, "new task, kept") == [(0.0, 90.0), (2.0, 75.0)]
    assert points(figure, "new task, not kept in the end") == [(1.0, 50.0)]
    assert points(figure, "earlier tasks, mean, kept") == [(2.0, 50.0)]
    assert points(figure, "earlier tasks, mean, not kept in the end") == [(1.0, 75.0)]
    # Numbers begin anew with each task.
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "0", "1"]


def test_many_rounds_lose_their_numbers_and_not_their_tasks(drawn: list[Figure], tmp_path: Path) -> None:
    rounds = [Tried(task, 0.5, 0.5, number == 3) for task in range(20) for number in range(4)]
    plot_rounds(rounds, tmp_path / "rounds.png")
    axes = drawn[0].axes[0]
    assert not axes.get_xticklabels()
    assert [text.get_text() for text in axes.texts] == [str(task) for task in range(20)]


def test_the_names_of_short_tasks_do_not_run_into_each_other(drawn: list[Figure], tmp_path: Path) -> None:
    long = [Tried(task, 0.5, 0.5, number == 3) for task in range(3) for number in range(4)]
    plot_rounds(long, tmp_path / "rounds.png")
    plot_rounds([*long, Tried(3, 0.5, 0.5, True), Tried(4, 0.5, 0.5, True)], tmp_path / "rounds.png")
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["task 0", "task 1", "task 2"]
    assert [text.get_text() for text in drawn[1].axes[0].texts] == ["0", "1", "2", "3", "4"]


def test_nothing_to_plot(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="no round"):
        plot_rounds([], tmp_path / "rounds.png")


@pytest.mark.parametrize(("more", "expected"), [([], False), ([1], True)])
def test_a_run_of_single_rounds_has_no_such_figure(
    drawn: list[Figure], tmp_path: Path, more: list[int], expected: bool
) -> None:
    def round_of(number: int) -> dict[str, object]:
        return {"round": number, "validation": {}, "memory": {"0": 0.25, "1": 1.0}}

    entry = {"task": 1, "kept_round": 0, "rounds": [round_of(0), *map(round_of, more)]}
    results = {"accuracy_matrix": [[1.0, 0.5]], "confusion_matrix": [[1]], "per_task": [entry]}
    keys = [key for key, _ in draw(tmp_path, results, ["a"])]
    assert ("plots/rounds" in keys) is expected
    if expected:
        # Without validation data the memory's accuracies are shown.
        assert points(drawn[0], "earlier tasks, mean, kept") == [(0.0, 25.0)]
