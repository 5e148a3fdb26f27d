"""A score over the seeds of a row."""

from __future__ import annotations

from lifelong_kd.comparison.statistics import t_interval
from lifelong_kd.comparison.types import Row, Summary

__all__ = ["summarise"]


def summarise(row: Row, score: str, confidence: float) -> Summary:
    """Mean and Student's interval of a score over those runs of a row that have it."""
    values = tuple(run.value(score) for run in row.runs)
    known = [value for value in values if value is not None]
    if not known:
        return Summary(values, None, None)
    interval = t_interval(known, confidence)
    return Summary(values, interval.mean, interval.half_width)
