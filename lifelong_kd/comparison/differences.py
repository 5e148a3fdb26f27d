"""Differences to a baseline, with their intervals, and what may be claimed of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lifelong_kd.comparison.pairs import find_baselines, pair_runs
from lifelong_kd.comparison.statistics import (
    Verdict,
    bootstrap_interval,
    fewest_values,
    judge,
    least_p,
    paired_differences,
    pairs_needed,
)
from lifelong_kd.comparison.types import Difference, Remark, Row, Score

__all__ = ["find_differences"]


@dataclass(frozen=True)
class _Case:
    """A row and its baseline in one score: the values of each pair, and how many pairs lack one."""

    score: str
    row: Row
    baseline: Row
    left: Sequence[float]
    right: Sequence[float]
    undefined: int


def find_differences(
    rows: Sequence[Row],
    scores: Sequence[Score],
    *,
    baseline: str | None,
    confidence: float,
    level: float,
    test: str,
) -> tuple[tuple[Difference, ...], list[Remark]]:
    """Each row minus the baseline of its place in each score, over paired runs, all corrected together.

    A score that the row or the baseline has in no run has no difference. What cannot be paired or claimed, however
    large it were, is remarked.

    Raises:
        BadCall: for a baseline that no place has, or one place several times.
    """
    baselines, remarks = find_baselines(rows, baseline)
    cases: list[_Case] = []
    lonely: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        base = baselines.get(row.place)
        if base is None or base is row:
            continue
        pairs, unpaired = pair_runs(row, base)
        if unpaired:
            lonely.setdefault((row.place, base.label), []).append(f"{row.label} {_seeds(unpaired)}")
        for score in scores:
            if row.scores[score.name].count == 0 or base.scores[score.name].count == 0:
                continue
            both = [(one.value(score.name), other.value(score.name)) for one, other in pairs]
            known = [(one, other) for one, other in both if one is not None and other is not None]
            left, right = [one for one, _ in known], [other for _, other in known]
            cases.append(_Case(score.name, row, base, left, right, len(both) - len(known)))
    verdicts = judge([(case.left, case.right) for case in cases], test, level)
    differences = tuple(
        _difference(case, verdict, confidence) for case, verdict in zip(cases, verdicts, strict=True)
    )
    return differences, [
        *remarks,
        *(
            Remark("pairs", f"{place}: not paired with {label}: {'; '.join(told)}")
            for (place, label), told in lonely.items()
        ),
        *_out_of_reach(differences, verdicts, test, level),
        *_without_bootstrap(differences, confidence),
    ]


def _seeds(unpaired: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(
        f"seed{'s' * (len(seeds) > 1)} {' '.join(map(str, seeds))} ({why})" for why, seeds in unpaired.items()
    )


def _difference(case: _Case, verdict: Verdict, confidence: float) -> Difference:
    differences = paired_differences(case.left, case.right)
    bounds = bootstrap_interval(differences, confidence)
    without = f"{case.undefined} pair{'s' * (case.undefined > 1)} without a value" if case.undefined else ""
    return Difference(
        score=case.score,
        row=case.row,
        baseline=case.baseline,
        pairs=len(differences),
        mean=math.fsum(differences) / len(differences) if differences else None,
        low=bounds.low if bounds else None,
        high=bounds.high if bounds else None,
        p=verdict.p,
        adjusted=verdict.adjusted,
        claimed=verdict.claimed,
        note="; ".join(note for note in (verdict.note, without) if note),
    )


def _out_of_reach(
    differences: Sequence[Difference], verdicts: Sequence[Verdict], test: str, level: float
) -> list[Remark]:
    if test == "t":
        return []
    family = sum(verdict.p is not None for verdict in verdicts)
    # Where so many pairs are too few, fewer are.
    short = {
        difference.pairs
        for difference, verdict in zip(differences, verdicts, strict=True)
        if verdict.p is not None and not verdict.reachable
    }
    needed = pairs_needed(test, level, family)
    advice = f"{needed} pairs each would do, or the t test" if needed else "the t test could"
    pairs = max(short, default=0)
    return [
        Remark(
            "seeds",
            f"{pairs} pairs of runs{' or fewer' * (len(short) > 1)} are too few for the {test} test: it cannot give a p"
            f" below {least_p(test, pairs):.2g}, which corrected for {family} test{'s' * (family > 1)} claims nothing"
            f" at {level:g}; {advice}",
        )
    ][: len(short)]


def _without_bootstrap(differences: Sequence[Difference], confidence: float) -> list[Remark]:
    fewest = fewest_values(confidence)
    if not any(2 <= difference.pairs < fewest for difference in differences):
        return []
    return [
        Remark(
            "seeds",
            f"the intervals of differences over less than {fewest} pairs are Student's: no bootstrap of so few"
            f" reaches {100 * confidence:.6g} %",
        )
    ]
