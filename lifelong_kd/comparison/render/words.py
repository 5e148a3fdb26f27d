"""The sentences under the tables, the same in every format: what the numbers are, what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifelong_kd.comparison.types import Comparison, Difference, LeftOut, Row, Score

__all__ = [
    "TESTS",
    "about_differences",
    "about_scores",
    "differences_of",
    "left_out_lines",
    "percent",
    "rows_of",
    "score_named",
    "setting",
    "settings_of",
    "verdict",
]

TESTS = {
    "t": "paired t-test",
    "wilcoxon": "Wilcoxon signed-rank test",
    "permutation": "paired permutation test",
}
# So many rows with one value are named.
MANY = 2
# So many runs that are left out are named one by one.
FEW = 5


def percent(share: float) -> str:
    """A level as people say it.

    >>> percent(0.95), percent(0.995)
    ('95 %', '99.5 %')
    """
    return f"{100 * share:.6g} %"


def about_scores(comparison: Comparison, best: str) -> str:
    """What ``a ± b`` means; ``best`` says how the best is marked."""
    level = percent(comparison.confidence)
    return f"Mean ± half the width of the {level} t-interval over seeds; a single seed has none. {best}"


def about_differences(comparison: Comparison) -> str:
    """What was tested, on what, corrected how, and when a difference is claimed."""
    test = TESTS.get(comparison.test, comparison.test)
    return (
        f"A difference is a row less the baseline, over the pairs of runs that share a seed and a class order, with"
        f" its {percent(comparison.confidence)} interval: bootstrap, or Student's where the pairs are few. p is of the"
        f" {test}, Holm p the same corrected for the number of tests; a difference is claimed (better, worse) where"
        f" Holm p is below {comparison.level:g}."
    )


def rows_of(comparison: Comparison, place: str) -> list[Row]:
    """The rows of one place."""
    return [row for row in comparison.rows if row.place == place]


def score_named(comparison: Comparison, name: str) -> Score:
    """The score of that name; one that has no column is written as it is."""
    return next((score for score in comparison.scores if score.name == name), Score(name, name, None))


def differences_of(comparison: Comparison, place: str) -> dict[str, list[Difference]]:
    """The differences of a place by the name of their score."""
    found: dict[str, list[Difference]] = {}
    for difference in comparison.differences:
        if difference.row.place == place:
            found.setdefault(difference.score, []).append(difference)
    return found


def verdict(difference: Difference, score: Score) -> str:
    """``better`` or ``worse`` for a claimed difference, nothing for another."""
    if not difference.claimed or difference.mean is None:
        return ""
    if score.better is None:
        return "differs"
    return "better" if (difference.mean > 0) == (score.better == "more") else "worse"


def settings_of(comparison: Comparison, place: str | None) -> list[tuple[str, str, str]]:
    """What differs between the configurations: the setting, a value, the rows that have it.

    Of the rows of ``place``, or, for ``None``, of the places: settings that are one in each but not in all. A row
    that does not have the setting is not listed.
    """
    found = []
    for key, values in comparison.varying.items():
        by_place = {
            name: [
                (row.label, value)
                for row, value in zip(comparison.rows, values, strict=True)
                if row.place == name
            ]
            for name in comparison.places
        }
        if place is not None:
            pairs = by_place[place]
            if len({repr(value) for _, value in pairs}) == 1:
                continue
        else:
            if any(len({repr(value) for _, value in inside}) > 1 for inside in by_place.values()):
                continue
            pairs = [(name, inside[0][1]) for name, inside in by_place.items()]
        labels: dict[str, list[str]] = {}
        for label, value in pairs:
            if value is not None:
                labels.setdefault(setting(value), []).append(label)
        most = max((len(names) for names in labels.values()), default=0)
        for value, names in labels.items():
            # "Others" of those that have the setting: only where that is all of them.
            others = len(names) == most > MANY and len(pairs) == sum(map(len, labels.values()))
            found.append((key, value, "all others" if others else "; ".join(names)))
            most = most + 1 if others else most
    return found


def setting(value: Any) -> str:
    """A value as it stands in a configuration."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(setting(item) for item in value) + "]"
    return "null" if value is None else str(value)


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """Each run and why, or a count of each reason where there are many."""
    if len(left_out) <= FEW:
        return [f"{left.source}: {left.reason}" for left in left_out]
    reasons = [left.reason for left in left_out]
    counts = "; ".join(f"{reasons.count(reason)}: {reason}" for reason in dict.fromkeys(reasons))
    return [f"{len(left_out)} runs ({counts})"]
