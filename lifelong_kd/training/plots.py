"""The pictures of a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.evaluation import plots

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
    confusion = plots.plot_confusion(results["confusion_matrix"], folder / "confusion.png", names=class_names)
    return [*drawn, ("plots/confusion", confusion)]
