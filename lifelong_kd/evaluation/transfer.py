"""Scores that need a reference: how much worse, or better, a task was learned than by a model without a past.

R[i][j] is the accuracy on test task j after task i, both from 0; k is the number of rows, the tasks learned so far.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lifelong_kd.core.errors import BadCall

__all__ = [
    "intransigence",
    "intransigence_per_task",
    "right_after",
    "transfer_from_past",
    "transfer_from_past_per_task",
]


def right_after(R: ArrayLike) -> list[float]:
    """R[i][i] for each i < k: the accuracy on each task right after it was learned.

    Raises:
        BadCall: if R is not a matrix with a row for each task learned and a column for each task.

    >>> right_after([[0.9, 0.1], [0.5, 0.8]])
    [0.9, 0.8]
    """
    try:
        array = np.asarray(R, dtype=np.float64)
    except ValueError as error:
        raise BadCall(f"an accuracy matrix needs rows of equal length: {error}") from error
    if array.size == 0:
        return []
    if array.ndim != 2 or array.shape[0] > array.shape[1]:
        raise BadCall(
            f"an accuracy matrix has a row for each task learned and a column for each task, found {array.shape}."
        )
    return [float(value) for value in np.diagonal(array)]


def intransigence_per_task(R: ArrayLike, joint: Sequence[float]) -> list[float]:
    """I_i = a*_i - R[i][i] for each task i < k: how far a task falls short of what can be learned of it, in [-1, 1].

    Paper: Chaudhry, Dokania, Ajanthan, Torr, "Riemannian Walk for Incremental Learning" (ECCV 2018,
    arXiv:1801.10112). Below 0 the task was learned better than by the reference.

    Args:
        R: the accuracy matrix.
        joint: a*, the accuracy on task i of a model trained on the data of tasks 0 to i together, for each task.

    Raises:
        BadCall: if ``joint`` has fewer accuracies than R has rows.

    >>> intransigence_per_task([[1.0, 0.0], [0.5, 0.5]], joint=[1.0, 0.75])
    [0.0, 0.25]
    """
    learned = right_after(R)
    _check(joint, len(learned), "the joint model")
    return [best - accuracy for best, accuracy in zip(joint, learned, strict=False)]


def intransigence(R: ArrayLike, joint: Sequence[float]) -> float | None:
    """I = mean over i < k of I_i (``intransigence_per_task``); lower is better, ``None`` before the first task.

    The paper gives I_i after each task; the mean is over all tasks so far, the first one included.
    """
    found = intransigence_per_task(R, joint)
    return float(np.mean(found)) if found else None


def transfer_from_past_per_task(R: ArrayLike, fresh: Sequence[float]) -> list[float]:
    """T_i = R[i][i] - f_i for each task 1 <= i < k: what having learned the tasks before did for this one.

    Paper: Wang, Zhang, Su, Zhu, "A Comprehensive Survey of Continual Learning" (TPAMI 2024, arXiv:2302.00487), which
    calls its mean forward transfer. Below 0 the past stood in the way. It is not the forward transfer of GEM
    (``scores.forward_transfer``), which asks about a task before it is learned.

    Args:
        R: the accuracy matrix.
        fresh: f, the accuracy on task i of a model with random weights trained on task i alone, for each task; that
            of the first is there but has no part.

    Raises:
        BadCall: if ``fresh`` has fewer accuracies than R has rows.

    >>> transfer_from_past_per_task([[1.0, 0.0], [0.5, 0.75]], fresh=[1.0, 0.5])
    [0.25]
    """
    learned = right_after(R)
    _check(fresh, len(learned), "the fresh model")
    return [accuracy - alone for accuracy, alone in zip(learned, fresh, strict=False)][1:]


def transfer_from_past(R: ArrayLike, fresh: Sequence[float]) -> float | None:
    """T = mean over 1 <= i < k of T_i (``transfer_from_past_per_task``); ``None`` before the second task."""
    found = transfer_from_past_per_task(R, fresh)
    return float(np.mean(found)) if found else None


def _check(reference: Sequence[float], tasks: int, whose: str) -> None:
    if len(reference) < tasks:
        raise BadCall(f"{whose} has {len(reference)} accuracies, but {tasks} tasks were learned.")
    if not all(0 <= value <= 1 for value in reference):
        raise BadCall(f"accuracies lie in [0, 1], but those of {whose} are {list(reference)}.")
