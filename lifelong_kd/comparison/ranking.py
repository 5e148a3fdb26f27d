"""Ranks of the rows of a comparison."""

from __future__ import annotations

from lifelong_kd.comparison.pairs import finite, pair_runs
from lifelong_kd.comparison.scores import score_of
from lifelong_kd.comparison.statistics import Ranks, average_ranks
from lifelong_kd.comparison.types import Comparison

__all__ = ["rank_rows"]


def rank_rows(
    comparison: Comparison, score: str, place: str | None = None
) -> tuple[tuple[str, ...], Ranks] | None:
    """The labels of a place's rows and their ranks in a score, a block for each seed that all of them have.

    For ``place=None`` of the labels that every place has, a block for each seed of each place.

    Returns:
        ``None`` for less than three labels or two blocks, and for a score of which neither more nor less is better.
    """
    better = score_of(score).better
    if better is None:
        return None
    places = comparison.places if place is None else (place,)
    inside = [{row.label: row for row in comparison.rows if row.place == name} for name in places]
    labels = tuple(label for label in (inside[0] if inside else ()) if all(label in rows for rows in inside))
    if not labels:
        return None
    blocks = []
    for rows in inside:
        lead, *others = (rows[label] for label in labels)
        shared = [{first.seed: other for other, first in pair_runs(row, lead)[0]} for row in others]
        for run in lead.runs:
            if all(run.seed in other for other in shared):
                block = [finite(member, score) for member in (run, *(other[run.seed] for other in shared))]
                blocks.append([value for value in block if value is not None])
    whole = [block for block in blocks if len(block) == len(labels)]
    ranks = average_ranks(whole, better == "more", comparison.level)
    return None if ranks is None else (labels, ranks)
