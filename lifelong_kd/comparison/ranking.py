"""Ranks of the rows of a comparison."""

from __future__ import annotations

from lifelong_kd.comparison.pairs import pair_runs
from lifelong_kd.comparison.scores import score_of
from lifelong_kd.comparison.statistics import Ranks, average_ranks
from lifelong_kd.comparison.types import Comparison

__all__ = ["rank_rows"]


def rank_rows(comparison: Comparison, score: str, place: str) -> tuple[tuple[str, ...], Ranks] | None:
    """The labels of a place's rows and their ranks in a score, a block for each seed that all of them have.

    Returns:
        ``None`` for less than three labels or two blocks, and for a score of which neither more nor less is better.
    """
    better = score_of(score).better
    rows = [row for row in comparison.rows if row.place == place]
    if better is None or not rows:
        return None
    lead, *others = rows
    shared = [{first.seed: other for other, first in pair_runs(row, lead)[0]} for row in others]
    blocks = []
    for run in lead.runs:
        members = [run, *(other[run.seed] for other in shared if run.seed in other)]
        block = [value for member in members if (value := member.value(score)) is not None]
        if len(block) == len(rows):
            blocks.append(block)
    ranks = average_ranks(blocks, better == "more", comparison.level)
    return None if ranks is None else (tuple(row.label for row in rows), ranks)
