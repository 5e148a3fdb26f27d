"""The pictures of a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.evaluation import plots
from lifelong_kd.evaluation.plots_rounds import Tried, plot_rounds
from lifelong_kd.training.rounds.record import reached

__all__ = ["draw"]


def draw(folder: Path, results: Mapping[str, Any], class_names: Sequence[str]) -> list[tuple[str, Path]]:
    """Draw every plot that the results allow into ``folder``; (key, file) of each."""
    folder.mkdir(parents=True, exist_ok=True)
    matrix = results["accuracy_matrix"]
    drawn = [
        ("plots/accuracy_matrix", plots.plot_accuracy_matrix(matrix, folder / "accuracy_matrix.png")),
        ("plots/accuracy_curves", plots.plot_accuracy_curves(matrix, folder / "accuracy_curves.png")),
    ]
    if len(matrix) > 1:
        drawn.append(("plots/forgetting", plots.plot_forgetting(matrix, folder / "forgetting.png")))
    rounds = _rounds(results["per_task"])
    if len(rounds) > len(results["per_task"]):
        drawn.append(("plots/rounds", plot_rounds(rounds, folder / "rounds.png")))
    confusion = plots.plot_confusion(results["confusion_matrix"], folder / "confusion.png", names=class_names)
    return [*drawn, ("plots/confusion", confusion)]


def _rounds(per_task: Sequence[Mapping[str, Any]]) -> list[Tried]:
    """Every round of every task, by its accuracies on validation data, or on the memory without any."""
    found = []
    for entry in per_task:
        for done in entry.get("rounds", []):
            new, old = reached(entry["task"], done)
            found.append(
                Tried(
                    task=entry["task"],
                    new=new,
                    old=old,
                    kept=done["round"] == entry["kept_round"],
                    score=done.get("generator"),
                )
            )
    return found
