"""Many tests at once: Holm's correction and what may be claimed after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lifelong_kd.comparison.statistics.paired import paired_test

__all__ = ["Verdict", "holm", "judge"]


@dataclass(frozen=True)
class Verdict:
    """A difference's p, the same after Holm's correction, and whether it is claimed.

    ``reachable`` is false where not even the least p of each test, corrected, would have been claimed.
    """

    p: float | None
    adjusted: float | None
    claimed: bool
    reachable: bool
    note: str = ""


def holm(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's step-down correction: sorted, ``adjusted_i = max over j <= i of min(1, (m - j + 1) * p_j)``.

    If what is adjusted to ``level`` or less is claimed, the probability of any false claim among m tests is ``level``
    at most, however the tests depend on each other (Holm, 1979). ``None`` (no test) stays and does not count in m.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, index) for index, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for place, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p))
        adjusted[index] = highest
    return tuple(adjusted)


def judge(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], test: str = "t", level: float = 0.05
) -> tuple[Verdict, ...]:
    """Test each ``(left, right)`` value by value, correct all of them together, claim what stays within ``level``.

    >>> first, second = judge([([0.9, 0.8, 0.9, 0.7], [0.5, 0.4, 0.6, 0.4]), ([0.5, 0.6], [0.4, 0.3])])
    >>> first.claimed, second.adjusted, second.note
    (True, None, '2 pairs: a test needs 3')
    """
    tests = [paired_test(left, right, test) for left, right in pairs]
    adjusted = holm([found.p for found in tests])
    # Holm's p grows with each of its p, so that of the least is the least.
    least = holm([found.least for found in tests])
    return tuple(
        Verdict(
            p=found.p,
            adjusted=corrected,
            claimed=corrected is not None and corrected <= level,
            reachable=bound is not None and bound <= level,
            note=found.note,
        )
        for found, corrected, bound in zip(tests, adjusted, least, strict=True)
    )
