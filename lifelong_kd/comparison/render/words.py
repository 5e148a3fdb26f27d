"""The sentences under the tables, the same in every format: what the numbers are, what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifelong_kd.comparison.render.numbers import Column
from lifelong_kd.comparison.scores import score_of
from lifelong_kd.comparison.types import Comparison, Difference, LeftOut, Row, Score

__all__ = [
    "TESTS",
    "about_differences",
    "about_scores",
    "difference_title",
    "differences_of",
    "direction",
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
# So many reasons to leave runs out are told.
FEW = 10


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
        f"A difference is a row minus the baseline, over the pairs of runs that share seed, class order and data, with"
        f" its {percent(comparison.confidence)} interval: bootstrap, or Student's where the pairs are few. p is of the"
        f" {test}, Holm p the same corrected for the number of tests; a difference is claimed (better, worse) where"
        f" Holm p is at most {comparison.level:g}."
    )


def direction(score: Score) -> str:
    """Whether more or less of a score is better, in words; empty where neither is."""
    return f"{score.better} is better" if score.better else ""


def difference_title(column: Column, found: Sequence[Difference]) -> str:
    """What the differences of one score are taken from, their unit, and which sign is the good one."""
    baselines = ", ".join(dict.fromkeys(one.baseline.label for one in found))
    unit = "percentage points" if column.unit == "%" else column.unit
    better = direction(column.score)
    title = f"Difference to {baselines} in {column.score.label}{f', {unit}' if unit else ''}"
    return f"{title} ({better})" if better else title


def rows_of(comparison: Comparison, place: str) -> list[Row]:
    """The rows of one place."""
    return [row for row in comparison.rows if row.place == place]


def score_named(comparison: Comparison, name: str) -> Score:
    """The score as the comparison shows it, or as it is shown where nobody asked for it."""
    return next((score for score in comparison.scores if score.name == name), None) or score_of(name)


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
    """Each reason once, with the run or with how many there are and the first of them."""
    by_reason: dict[str, list[LeftOut]] = {}
    for left in left_out:
        # That of a killed run has its folder in it.
        by_reason.setdefault(left.reason.replace(left.source, "RUN"), []).append(left)
    lines = [
        f"{there[0].source}: {there[0].reason}"
        if len(there) == 1
        else f"{len(there)} runs ({there[0].source} and others): {reason}"
        for reason, there in list(by_reason.items())[:FEW]
    ]
    untold = sum(map(len, list(by_reason.values())[FEW:]))
    return [
        *lines,
        *(
            [f"{untold} more, for other reasons: --out FOLDER names all in its compare.html"]
            if untold
            else []
        ),
    ]
