"""Fidelity: how far a student says what its teacher says, whether or not that is right."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["agreement", "correlation", "divergence", "mean_entropy"]


def agreement(student: Tensor, teacher: Tensor, columns: Sequence[int] | None = None) -> float | None:
    """Average top-1 agreement: (1/N) sum_i [argmax_c student_ic = argmax_c teacher_ic], in [0, 1].

    Paper: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really Work?" (NeurIPS 2021,
    arXiv:2106.05945), who find that a student may generalise well without agreeing with its teacher. Where one of the
    two has no finite score of a class for a sample, that class does not compete there; a sample without any class left
    does not count.

    Args:
        student: logits (N, columns).
        teacher: logits (N, columns), perhaps with fewer or more columns.
        columns: the classes that compete; if ``None`` every column that both have.

    Returns:
        ``None`` where nothing can be compared.

    Raises:
        BadCall: for shapes that do not fit, or a column that one of the two does not have.

    >>> agreement(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([[5.0, 4.0], [1.0, 0.0]]))
    0.5
    """
    ours, theirs = _compared(student, teacher, columns)
    if not len(ours):
        return None
    return float((ours.argmax(dim=1) == theirs.argmax(dim=1)).double().mean())


def divergence(student: Tensor, teacher: Tensor, columns: Sequence[int] | None = None) -> float | None:
    """Average predictive divergence: (1/N) sum_i KL(teacher_i || student_i) of the softmax at temperature 1, in nats.

    The second measure of fidelity of Stanton et al. 2021 (arXiv:2106.05945), 0 where both say the same. Classes and
    samples are left out as in :func:`agreement`; the softmax is taken over the classes that are left.

    Args:
        student: logits (N, columns).
        teacher: logits (N, columns), perhaps with fewer or more columns.
        columns: the classes that compete; if ``None`` every column that both have.

    Returns:
        ``None`` where nothing can be compared.

    Raises:
        BadCall: for shapes that do not fit, or a column that one of the two does not have.

    >>> divergence(torch.tensor([[0.0, 9.0]]), torch.tensor([[3.0, 12.0]]))
    0.0
    """
    ours, theirs = _compared(student, teacher, columns)
    if not len(ours):
        return None
    ours, theirs = ours.log_softmax(dim=1), theirs.log_softmax(dim=1)
    # A class that does not compete has minus infinity on both sides, and infinity less infinity is no number.
    difference = (theirs - ours).masked_fill(theirs.isneginf(), 0.0)
    # Rounding may leave a divergence a hair below 0.
    return max(float((theirs.exp() * difference).sum(dim=1).mean()), 0.0)


def mean_entropy(logits: Tensor, columns: Sequence[int] | None = None) -> float | None:
    """(1/N) sum_i -sum_c p_ic log p_ic of the softmax, in nats: 0 for certainty, log C for an even guess among C.

    Args:
        logits: (N, columns); a class without a finite score does not compete, a sample without any does not count.
        columns: the classes that compete; all if ``None``.

    Returns:
        ``None`` without samples.

    Raises:
        BadCall: for logits of another shape, or a column that they do not have.

    >>> round(mean_entropy(torch.zeros(3, 4)), 4)
    1.3863
    """
    chances = _compared(logits, logits, columns)[0].log_softmax(dim=1)
    if not len(chances):
        return None
    return float(-(chances.exp() * chances.masked_fill(chances.isneginf(), 0.0)).sum(dim=1).mean())


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation r = cov(a, b) / (sd(a) sd(b)), in [-1, 1].

    Args:
        first: values a.
        second: as many values b.

    Returns:
        ``None`` for fewer than three pairs, which any line fits, or where one side does not vary.

    Raises:
        BadCall: for sequences of different lengths.

    >>> round(correlation([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]), 6)
    1.0
    """
    if len(first) != len(second):
        raise BadCall(f"a correlation is one of pairs, found {len(first)} and {len(second)} values")
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    pairs = torch.tensor([list(first), list(second)], dtype=torch.float64)
    pairs = pairs - pairs.mean(dim=1, keepdim=True)
    spread = float(pairs[0].norm() * pairs[1].norm())
    return max(-1.0, min(1.0, float(pairs[0] @ pairs[1]) / spread)) if spread else None


def _compared(student: Tensor, teacher: Tensor, columns: Sequence[int] | None) -> tuple[Tensor, Tensor]:
    """Both at the columns, float64, minus infinity where either has no score; samples without any are gone."""
    if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher):
        raise BadCall(
            "fidelity compares logits (N, columns) of the same samples, found"
            f" {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
    width = min(student.shape[1], teacher.shape[1])
    chosen = list(range(width)) if columns is None else list(columns)
    lost = [column for column in chosen if not 0 <= column < width]
    if lost:
        raise BadCall(f"column {lost[0]} is asked for, but both have only the columns 0 to {width - 1}")
    ours, theirs = student[:, chosen].double(), teacher[:, chosen].double()
    both = ours.isfinite() & theirs.isfinite()
    counts = both.any(dim=1)
    ours, theirs = (side.masked_fill(~both, -torch.inf)[counts] for side in (ours, theirs))
    return ours, theirs
