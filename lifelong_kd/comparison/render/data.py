"""A comparison as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lifelong_kd.comparison.types import Comparison, Difference, Row, RunRecord, Summary

__all__ = ["as_data"]


def as_data(comparison: Comparison) -> dict[str, Any]:
    """Everything in lists, mappings, strings, numbers, booleans and None, as JSON has them.

    ======================  ==========================================================================
    ``scores``              ``name label better scale unit`` of each column, in order
    ``rows``                ``place stream scenario strategy label options seeds``, ``scores`` by name
                            (``mean half_width count best values``) and ``runs``
    ``rows[].runs``         ``name source seed scores cost matrix class_order data versions settings``
    ``differences``         ``place score row baseline pairs mean low high p adjusted claimed note``;
                            ``row`` and ``baseline`` are labels of that place
    ``varying``             a setting's value in each row, in the order of ``rows``
    ``remarks left_out``    ``kind text`` and ``source reason``
    ``confidence level``    of the intervals, and the rate of false claims
    ``test``                ``t``, ``wilcoxon`` or ``permutation``
    ======================  ==========================================================================

    Shares are shares and not percent, times seconds; a number that is not finite is None.
    """
    plain = _plain(
        {
            "scores": [
                {
                    "name": score.name,
                    "label": score.label,
                    "better": score.better,
                    "scale": score.scale,
                    "unit": score.unit,
                }
                for score in comparison.scores
            ],
            "rows": [_row(row) for row in comparison.rows],
            "differences": [_difference(difference) for difference in comparison.differences],
            "varying": comparison.varying,
            "remarks": [{"kind": remark.kind, "text": remark.text} for remark in comparison.remarks],
            "left_out": [{"source": left.source, "reason": left.reason} for left in comparison.left_out],
            "confidence": comparison.confidence,
            "level": comparison.level,
            "test": comparison.test,
        }
    )
    assert isinstance(plain, dict)
    return plain


def _row(row: Row) -> dict[str, Any]:
    return {
        "place": row.place,
        "stream": row.stream,
        "scenario": row.scenario,
        "strategy": row.strategy,
        "label": row.label,
        "options": row.options,
        "seeds": row.seeds,
        "scores": {name: _summary(summary) for name, summary in row.scores.items()},
        "runs": [_run(run) for run in row.runs],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "mean": summary.mean,
        "half_width": summary.half_width,
        "count": summary.count,
        "best": summary.best,
        "values": summary.values,
    }


def _run(run: RunRecord) -> dict[str, Any]:
    return {
        "name": run.name,
        "source": run.source,
        "seed": run.seed,
        "scores": run.scores,
        "cost": run.cost,
        "matrix": run.matrix,
        "class_order": run.class_order,
        "data": run.data,
        "versions": run.versions,
        "settings": run.settings,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "place": difference.row.place,
        "score": difference.score,
        "row": difference.row.label,
        "baseline": difference.baseline.label,
        "pairs": difference.pairs,
        "mean": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p,
        "adjusted": difference.adjusted,
        "claimed": difference.claimed,
        "note": difference.note,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
