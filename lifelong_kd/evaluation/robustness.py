"""Scores of continual learning under corruption, from the corruption accuracy matrix.

R^C[i][j] is the accuracy on corrupted data of test task j after task i, the mean over families and severities. Only
tasks seen are measured, so row i has i + 1 values.
"""

from __future__ import annotations

from collections.abc import Sequence

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.scores import average_accuracy, backward_transfer, forgetting

__all__ = ["corruption_scores", "relative_robustness"]


def relative_robustness(corrupted: float | None, clean: float | None) -> float | None:
    """Accuracy on corrupted data over that on the same data as they are: 1 is a model that corruption does not touch.

    Hendrycks and Dietterich 2019 (arXiv:1903.12261) set the errors of a model against those of a reference model
    instead; a run has none. ``None`` where nothing is right on clean data either.

    >>> relative_robustness(0.25, 0.5)
    0.5
    """
    return corrupted / clean if corrupted is not None and clean else None


def corruption_scores(
    corrupted: Sequence[Sequence[float]], clean: Sequence[float]
) -> dict[str, float | None]:
    """The scores of a run by name, each ``None`` where it is not defined.

    ``corruption_accuracy`` is the mean over the tasks seen of the last row of R^C, ``clean_accuracy`` that of the same
    samples uncorrupted, ``relative_robustness`` their ratio; ``corruption_forgetting`` (Chaudhry et al. 2018,
    arXiv:1801.10112) and ``corruption_backward_transfer`` (Lopez-Paz and Ranzato 2017, arXiv:1706.08840) are those of
    the accuracy matrix, taken of R^C, with a task's best counted from when it was learned.

    Args:
        corrupted: R^C, row i of i + 1 values.
        clean: the accuracy on the same samples of each task seen, after the last.

    Raises:
        BadCall: for rows of another length.
    """
    count = len(corrupted)
    for i, row in enumerate(corrupted):
        if len(row) != i + 1:
            raise BadCall(f"row {i} of a corruption accuracy matrix has {len(row)} values, not {i + 1}.")
    if len(clean) != count:
        raise BadCall(f"{len(clean)} clean accuracies were given for {count} tasks.")
    # Nothing is below 0, so that what was not measured is never a task's best.
    square = [[*row, *[0.0] * (count - len(row))] for row in corrupted]
    accuracy = average_accuracy(square)
    unharmed = sum(clean) / count if count else None
    return {
        "corruption_accuracy": accuracy,
        "clean_accuracy": unharmed,
        "relative_robustness": relative_robustness(accuracy, unharmed),
        "corruption_forgetting": forgetting(square),
        "corruption_backward_transfer": backward_transfer(square),
    }
