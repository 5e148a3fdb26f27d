"""Generalisation gaps: how much better a model does on what it was trained on than on what it was not."""

from __future__ import annotations

from collections.abc import Sequence

from lifelong_kd.core.errors import BadCall

__all__ = ["gap", "mean_of", "memory_overfit_gap"]


def gap(trained: float | None, held_out: float | None) -> float | None:
    """Accuracy on samples that were trained on less accuracy on samples that were not; ``None`` if one is unknown.

    >>> gap(1.0, 0.75)
    0.25
    """
    return None if trained is None or held_out is None else trained - held_out


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of those values that are known; ``None`` if none is.

    >>> mean_of([1.0, None, 2.0])
    1.5
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def memory_overfit_gap(stored: Sequence[float | None], held_out: Sequence[float | None]) -> float | None:
    """(1/k) sum_j (a_j - b_j): accuracy on stored exemplars less that on held-out data of the same classes.

    A few exemplars that are replayed again and again are learned by heart: accuracy on them then says nothing about
    the classes that they stand for.

    Args:
        stored: a_j, accuracy on the exemplars of task j, ``None`` where there are none.
        held_out: b_j, accuracy on data of the same classes that no model has been trained on.

    Returns:
        ``None`` where no task has both.

    Raises:
        BadCall: for sequences of different lengths.

    >>> memory_overfit_gap([1.0, 1.0, None], [0.5, 0.75, 0.9])
    0.375
    """
    if len(stored) != len(held_out):
        raise BadCall(f"a gap is one of pairs, found {len(stored)} and {len(held_out)} accuracies")
    return mean_of([gap(a, b) for a, b in zip(stored, held_out, strict=True)])
