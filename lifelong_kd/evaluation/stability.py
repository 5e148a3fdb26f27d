"""The stability gap: how far the accuracy on earlier tasks falls while a task is learned, and what comes back.

A *trace* of an earlier task holds its accuracy before a later task is learned, and then after some of its iterations in
order, the last of which is the end; ``steps`` are these iterations, the first one 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lifelong_kd.core.errors import BadCall

__all__ = [
    "dip_area",
    "dip_depth",
    "dip_rebound",
    "dip_recovery",
    "minimum_accuracy",
    "windowed_forgetting",
    "windowed_plasticity",
    "worst_case_accuracy",
]


def minimum_accuracy(traces: Sequence[Sequence[float]]) -> float | None:
    """min-ACC = mean over earlier tasks j of min over n of A(E_j, f_n): the lowest that each ever fell, on average.

    Paper: De Lange, van de Ven, Tuytelaars, "Continual evaluation for lifelong learning: Identifying the stability gap"
    (ICLR 2023, arXiv:2205.13452).

    Args:
        traces: for each earlier task its accuracies in every iteration n *after* it was learned: over all later tasks,
            without the value before them.

    ``None`` without earlier tasks.

    Raises:
        BadCall: if a task has no accuracies.

    >>> minimum_accuracy([[0.5, 0.25, 0.75], [1.0]])
    0.625
    """
    lowest = [min(trace, default=None) for trace in traces]
    found = [value for value in lowest if value is not None]
    if len(found) < len(lowest):
        raise BadCall(f"task {lowest.index(None)} has no accuracies after it was learned.")
    return float(np.mean(found)) if found else None


def worst_case_accuracy(current: float, minimum: float | None, tasks: int) -> float:
    """WC-ACC_k = 1/k * A(E_k) + (1 - 1/k) * min-ACC: a lower bound of the average accuracy at any iteration.

    Paper: De Lange et al. 2023 (arXiv:2205.13452).

    Args:
        current: A(E_k), the accuracy on the task just learned.
        minimum: min-ACC of the tasks before it, see ``minimum_accuracy``; ``None`` in the first task.
        tasks: k, the number of tasks so far, from 1.

    Raises:
        BadCall: if there is a minimum without earlier tasks or none with them.

    >>> worst_case_accuracy(1.0, 0.25, 3)
    0.5
    """
    if tasks < 1 or (minimum is None) != (tasks == 1):
        raise BadCall(
            f"min-ACC is that of the {max(tasks - 1, 0)} tasks before the current one, found {minimum}."
        )
    return current if minimum is None else current / tasks + (1 - 1 / tasks) * minimum


def dip_depth(trace: Sequence[float]) -> float:
    """How far the accuracy fell from its value before the task: A_0 - min A_n, 0 if it never fell below it.

    >>> dip_depth([0.75, 0.25, 0.5])
    0.5
    """
    values = _trace(trace)
    return float(values[0] - values.min())


def dip_rebound(trace: Sequence[float]) -> float:
    """How much of the fall came back by the end of the task: min(A_0, A_end) - min A_n.

    What the depth has beyond it, max(0, A_0 - A_end), stays forgotten.

    >>> dip_rebound([0.75, 0.25, 0.5])
    0.25
    """
    values = _trace(trace)
    return float(min(values[0], values[-1]) - values.min())


def dip_recovery(steps: Sequence[int], trace: Sequence[float], share: float = 0.95) -> int | None:
    """Iterations of the task until the accuracy, past its minimum, is back to ``share`` of the value it ends with.

    The first n at or after the (first) minimum with A_n >= share * A_end. 0 if it never fell below A_0; ``None`` if it
    fell and ends no higher than its minimum: it never recovered.

    Args:
        steps: the iterations at which the accuracies were taken.
        trace: the accuracies.
        share: of the last accuracy, in (0, 1].

    Raises:
        BadCall: for a share outside (0, 1], or steps that do not fit.

    >>> dip_recovery([0, 10, 20, 30], [0.9, 0.2, 0.7, 0.8], share=0.75)
    20
    """
    if not 0 < share <= 1:
        raise BadCall(f"the share of the last accuracy lies in (0, 1], found {share}.")
    values, times = _trace(trace), _steps(steps, trace)
    lowest = int(values.argmin())
    if values[lowest] == values[0]:
        return 0
    if values[-1] == values[lowest]:
        return None
    back = values[lowest:] >= share * values[-1]
    return int(times[lowest + int(back.argmax())])


def dip_area(steps: Sequence[int], trace: Sequence[float]) -> float:
    """Area of the dip: accuracy that was missing in passing, times the iterations for which it was.

    The integral over the iterations of max(0, B - A_n) with B = min(A_0, A_end), so that what is forgotten for
    good does not count; by the trapezoid rule between evaluations.

    Args:
        steps: the iterations at which the accuracies were taken.
        trace: the accuracies.

    Raises:
        BadCall: if steps and accuracies do not fit.

    >>> dip_area([0, 10, 20, 30], [0.75, 0.25, 0.75, 1.0])
    5.0
    """
    values, times = _trace(trace), _steps(steps, trace)
    missing = np.maximum(0.0, min(values[0], values[-1]) - values)
    return float((np.diff(times) * (missing[1:] + missing[:-1]) / 2).sum())


def windowed_forgetting(trace: Sequence[float], window: int) -> float:
    """WF^W: the largest fall between two of any W successive evaluations, max of A_m - A_n over m < n < m + W.

    0 if the accuracy never fell. Paper: De Lange et al. 2023 (arXiv:2205.13452), who evaluate in every iteration.

    Args:
        trace: accuracies.
        window: W, evaluations in a window, at least 2.

    Raises:
        BadCall: for a smaller window, or no accuracies.

    >>> windowed_forgetting([1.0, 0.75, 0.5, 0.625], window=2)
    0.25
    """
    if window < 2:
        raise BadCall(f"a window holds at least 2 evaluations, found {window}.")
    values = _trace(trace)
    falls = [float((values[:-lag] - values[lag:]).max()) for lag in range(1, min(window, len(values)))]
    return max(0.0, *falls) if falls else 0.0


def windowed_plasticity(trace: Sequence[float], window: int) -> float:
    """WP^W: the largest rise between two of any W successive evaluations, max of A_n - A_m over m < n < m + W.

    Arguments, paper and errors as in ``windowed_forgetting``.

    >>> windowed_plasticity([0.5, 0.0, 1.0], window=3)
    1.0
    """
    return windowed_forgetting([-value for value in trace], window)


def _trace(trace: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(trace, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise BadCall(f"a trace is a list of accuracies, at least one, found shape {values.shape}.")
    return values


def _steps(steps: Sequence[int], trace: Sequence[float]) -> NDArray[np.int64]:
    times = np.asarray(steps, dtype=np.int64)
    if times.shape != (len(trace),) or (np.diff(times) <= 0).any():
        raise BadCall(f"each of {len(trace)} accuracies has an iteration, rising, found {list(steps)}.")
    return times
