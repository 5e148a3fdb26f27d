"""Runs side by side: their rows, scores, differences to a baseline and what may be claimed of these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lifelong_kd.comparison.differences import find_differences
from lifelong_kd.comparison.groups import group_runs, varying
from lifelong_kd.comparison.scores import SHOWN, score_of
from lifelong_kd.comparison.statistics import TESTS
from lifelong_kd.comparison.summaries import summarise
from lifelong_kd.comparison.types import Comparison, LeftOut, Row, RunRecord, Score, Summary
from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["compare_runs"]


def compare_runs(
    records: Sequence[RunRecord],
    left_out: Sequence[LeftOut] = (),
    *,
    scores: Sequence[str] | None = None,
    baseline: str | None = None,
    tested: Sequence[str] = ("average_accuracy", "forgetting"),
    confidence: float = 0.95,
    level: float = 0.05,
    test: str = "t",
) -> Comparison:
    """Group runs that differ in their seed only, summarise each score, test each row against its place's baseline.

    Runs of the same seed, class order and data are pairs. Every difference of the comparison, of all places and all
    tested scores, is one family of Holm's correction: where no row differs from its baseline, at most one comparison in
    ``1 / level`` claims any difference. That holds as far as `paired_test` says, and for what is looked at once; who
    compares many times, or chooses the test by its answer, claims more. Intervals are not corrected: each alone has its
    confidence.

    Args:
        scores: the columns, by name; ``None`` for the usual ones.
        baseline: a label or a strategy; ``None`` for ``naive``, else for the first of two rows.
        tested: the columns to test. If none of these is a column, all are but costs.
        confidence: of every interval, in (0, 1).
        level: the rate of comparisons with a false claim, in (0, 1).
        test: ``t``, ``wilcoxon`` or ``permutation``, see `paired_test`.

    Raises:
        BadCall: for a score that no run has, an unknown test or baseline, and a share that is none.
    """
    for name, share in (("confidence", confidence), ("level", level)):
        if not 0 < share < 1:
            raise BadCall(f"{name}: {share} is not between 0 and 1")
    if test not in TESTS:
        near = nearest(test, TESTS)
        hint = f" Did you mean {near!r}?" if near else ""
        raise BadCall(f"test: there is no paired test {test!r}: there are {', '.join(TESTS)}.{hint}")
    columns = tuple(
        score_of(name) for name in dict.fromkeys(SHOWN if scores is None else _known(scores, records))
    )
    grouped, remarks = group_runs(records)
    rows = _summarised(grouped, columns, confidence)
    differences, more = find_differences(
        rows, _tested(columns, tested), baseline=baseline, confidence=confidence, level=level, test=test
    )
    return Comparison(
        scores=columns,
        rows=rows,
        differences=differences,
        varying=varying(rows),
        remarks=(*remarks, *more),
        left_out=tuple(left_out),
        confidence=confidence,
        test=test,
        level=level,
    )


def _summarised(rows: Sequence[Row], columns: Sequence[Score], confidence: float) -> tuple[Row, ...]:
    summaries = [{score.name: summarise(row, score.name, confidence) for score in columns} for row in rows]
    means: dict[tuple[str, str], list[float]] = {}
    for row, found in zip(rows, summaries, strict=True):
        for name, summary in found.items():
            if summary.mean is not None:
                means.setdefault((row.place, name), []).append(summary.mean)
    return tuple(
        replace(row, scores={score.name: _marked(found[score.name], row, score, means) for score in columns})
        for row, found in zip(rows, summaries, strict=True)
    )


def _marked(
    summary: Summary, row: Row, score: Score, means: Mapping[tuple[str, str], Sequence[float]]
) -> Summary:
    return replace(summary, best=_is_best(summary.mean, means.get((row.place, score.name), []), score))


def _is_best(mean: float | None, means: Sequence[float], score: Score) -> bool:
    """Whether no mean of the place is better; means that differ by rounding only are tied."""
    if mean is None or score.better is None or len(means) < 2:
        return False
    return math.isclose(mean, max(means) if score.better == "more" else min(means), rel_tol=1e-12)


def _tested(columns: Sequence[Score], tested: Sequence[str]) -> list[Score]:
    asked = [score for score in columns if score.name in tested]
    return asked or [score for score in columns if tested and not score.name.startswith("cost/")]


def _known(scores: Sequence[str], records: Sequence[RunRecord]) -> Sequence[str]:
    """The names, each of which some run has; a score of which no run has a value is known all the same."""
    there = {name for run in records for name in run.names}
    for name in scores:
        if records and name not in there:
            near = nearest(name, there)
            hint = f" Did you mean {near!r}?" if near else ""
            raise BadCall(f"scores: no run has {name!r}: they have {', '.join(sorted(there))}.{hint}")
    return scores
