"""Runs that differ in nothing but their seed belong together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lifelong_kd.comparison.labels import labels
from lifelong_kd.comparison.remarks import remarks_on
from lifelong_kd.comparison.settings import apart, flatten, identity, settings_of
from lifelong_kd.comparison.types import Remark, Row, RunRecord

__all__ = ["flatten", "group_runs", "varying"]

# They stand above a row or in its label anyway.
_NAMED = ("strategy", "strategy.name", "stream", "stream.name", "stream.scenario")


def group_runs(records: Sequence[RunRecord]) -> tuple[list[Row], list[Remark]]:
    """A row for each strategy, stream and configuration, sorted by place and label, and what is odd about them.

    Of several runs with the same configuration and seed the first is taken. The rows have no scores yet.
    """
    groups: dict[tuple[str, str, str], dict[str, list[RunRecord]]] = {}
    for record in records:
        kinds = groups.setdefault((record.stream, record.scenario, record.strategy), {})
        kinds.setdefault(identity(settings_of(record)), []).append(record)
    rows: list[Row] = []
    repeated: list[tuple[RunRecord, RunRecord]] = []
    for (stream, scenario, strategy), kinds in groups.items():
        options = apart([settings_of(members[0]) for members in kinds.values()])
        names = labels(strategy, options)
        for members, option, label in zip(kinds.values(), options, names, strict=True):
            by_seed: dict[int, RunRecord] = {}
            for member in members:
                first = by_seed.setdefault(member.seed, member)
                if first is not member:
                    repeated.append((member, first))
            runs = tuple(by_seed[seed] for seed in sorted(by_seed))
            rows.append(Row(label, stream, scenario, strategy, option, runs))
    rows.sort(key=lambda row: (row.stream, row.scenario, row.strategy, _natural(row.label)))
    return rows, remarks_on(rows, repeated)


def varying(rows: Sequence[Row]) -> dict[str, tuple[Any, ...]]:
    """The settings that are not the same in all rows: of each its value in each row, ``None`` where it has none.

    An option of a component is compared among the rows that have a component of the same name there.
    """
    settings = [settings_of(row.runs[0]) for row in rows]
    keys = dict.fromkeys(key for one in apart(settings) for key in one if key not in _NAMED)
    return {key: tuple(one.get(key) for one in settings) for key in keys}


def _natural(text: str) -> list[tuple[float, str]]:
    """Sorts ``epochs=5`` before ``epochs=10``."""
    pieces = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(piece), "") if number % 2 else (-1.0, piece) for number, piece in enumerate(pieces)]
