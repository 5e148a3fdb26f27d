"""Scores of continual learning, each a pure function of the accuracy matrix R.

R[i][j] is the accuracy on test task j after task i, both from 0; k is the number of rows, the tasks learned so far.
Columns of tasks to come are there but count only in forward transfer. A score that is not defined is ``None``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.matrix import AccuracyMatrix

__all__ = [
    "average_accuracy",
    "average_accuracy_curve",
    "average_incremental_accuracy",
    "backward_transfer",
    "forgetting",
    "forgetting_per_task",
    "forward_transfer",
    "learning_accuracy",
    "summarise",
]


def _array(R: ArrayLike) -> NDArray[np.float64]:
    """R as (k, tasks) with k <= tasks."""
    try:
        array = np.asarray(R, dtype=np.float64)
    except ValueError as error:
        raise BadCall(f"an accuracy matrix needs rows of equal length: {error}") from error
    if array.size == 0:
        return np.zeros((0, 0))
    if array.ndim != 2 or array.shape[0] > array.shape[1]:
        raise BadCall(
            f"an accuracy matrix has a row for each task learned and a column for each task, found {array.shape}."
        )
    return array


def average_accuracy_curve(R: ArrayLike) -> list[float]:
    """A_i = mean over j <= i of R[i][j], for each task i: the accuracy on what has been seen so far.

    >>> average_accuracy_curve([[1.0, 0.0], [0.5, 1.0]])
    [1.0, 0.75]
    """
    return [float(row[: i + 1].mean()) for i, row in enumerate(_array(R))]


def average_accuracy(R: ArrayLike) -> float | None:
    """ACC = mean over j < k of R[k-1][j]: the accuracy on all tasks learned, after the last.

    Paper: Lopez-Paz and Ranzato 2017 (GEM, arXiv:1706.08840), equation 2. Each task weighs the same, whatever its
    number of samples. ``None`` before the first task.
    """
    curve = average_accuracy_curve(R)
    return curve[-1] if curve else None


def average_incremental_accuracy(R: ArrayLike) -> float | None:
    """AIA = mean over i < k of (mean over j <= i of R[i][j]).

    Paper: Rebuffi, Kolesnikov, Sperl, Lampert, "iCaRL" (CVPR 2017, arXiv:1611.07725), section 4. There the accuracy
    after each task is that of all classes seen; it is the same where the tasks have equally many test samples.
    ``None`` before the first task.
    """
    curve = average_accuracy_curve(R)
    return float(np.mean(curve)) if curve else None


def learning_accuracy(R: ArrayLike) -> float | None:
    """LA = mean over j < k of R[j][j]: the accuracy on each task right after it was learned.

    Paper: Riemer et al., "Learning to Learn without Forgetting" (MER, ICLR 2019, arXiv:1810.11910), section 5.
    ``None`` before the first task.
    """
    array = _array(R)
    return float(np.diagonal(array).mean()) if len(array) else None


def forgetting_per_task(R: ArrayLike) -> list[float]:
    """f_j = max over i < k-1 of R[i][j], minus R[k-1][j], for each task j < k-1: how far it fell from its best.

    Paper: Chaudhry, Dokania, Ajanthan, Torr, "Riemannian Walk for Incremental Learning" (ECCV 2018,
    arXiv:1801.10112), equation 3. Negative where the last task helped. Empty before the second task.

    >>> forgetting_per_task([[1.0, 0.0], [0.25, 1.0]])
    [0.75]
    """
    array = _array(R)
    last = len(array) - 1
    if last < 1:
        return []
    return [float(array[:last, j].max() - array[last, j]) for j in range(last)]


def forgetting(R: ArrayLike) -> float | None:
    """F = mean over j < k-1 of f_j, where f_j is the fall of task j from its best (``forgetting_per_task``).

    Paper: Chaudhry et al. 2018 (arXiv:1801.10112), section 3.1. ``None`` before the second task.
    """
    falls = forgetting_per_task(R)
    return float(np.mean(falls)) if falls else None


def backward_transfer(R: ArrayLike) -> float | None:
    """BWT = mean over j < k-1 of R[k-1][j] - R[j][j]: what later tasks did to earlier ones; below 0 is forgetting.

    Paper: Lopez-Paz and Ranzato 2017 (GEM, arXiv:1706.08840), equation 3. ``None`` before the second task.
    """
    array = _array(R)
    last = len(array) - 1
    if last < 1:
        return None
    return float(np.mean(array[last, :last] - np.diagonal(array)[:last]))


def forward_transfer(R: ArrayLike, before: Sequence[float] | None) -> float | None:
    """FWT = mean over 1 <= j < k of R[j-1][j] - b[j]: what earlier tasks did for a task before it was learned.

    Paper: Lopez-Paz and Ranzato 2017 (GEM, arXiv:1706.08840), equation 4.

    Args:
        R: the accuracy matrix.
        before: b, the accuracy of the untrained model on each task.

    ``None`` before the second task, or without ``before``.

    Raises:
        BadCall: if ``before`` is not as long as a row.
    """
    array = _array(R)
    tasks = len(array)
    if before is None or tasks < 2:
        return None
    if len(before) != array.shape[1]:
        raise BadCall(f"'before' has {len(before)} accuracies, but there are {array.shape[1]} tasks.")
    return float(np.mean([array[j - 1, j] - before[j] for j in range(1, tasks)]))


def summarise(matrix: AccuracyMatrix) -> dict[str, float | None]:
    """All scores by name, over the tasks learned so far; ``None`` where one is not defined."""
    R = matrix.to_list()
    return {
        "average_accuracy": average_accuracy(R),
        "average_incremental_accuracy": average_incremental_accuracy(R),
        "learning_accuracy": learning_accuracy(R),
        "forgetting": forgetting(R),
        "backward_transfer": backward_transfer(R),
        "forward_transfer": forward_transfer(R, matrix.before),
    }
