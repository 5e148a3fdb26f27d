"""Runs that differ in nothing but their seed belong together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lifelong_kd.comparison.read import RunRecord
from lifelong_kd.comparison.statistics import Interval, t_interval
from lifelong_kd.training.results import SCORES

__all__ = ["Row", "flatten", "group_runs"]

# These say where or how fast a run ran and what was asked of it, not what was run: no evaluation moves a weight.
_OUTSIDE = (
    "seed",
    "name",
    "device",
    "imports",
    "tracking",
    "evaluation",
    "training.threads",
    "training.workers",
    "training.checkpoint_every",
)


@dataclass(frozen=True)
class Row:
    """One strategy on one stream: ``options`` are those settings that tell it from rows of the same names.

    ``repeated`` are folders left out because their seed is there already.
    """

    stream: str
    scenario: str
    strategy: str
    options: dict[str, Any]
    seeds: tuple[int, ...]
    scores: dict[str, Interval | None]
    values: dict[str, tuple[float | None, ...]]
    repeated: tuple[str, ...] = field(default=())


def group_runs(records: Sequence[RunRecord]) -> list[Row]:
    """A row for each strategy, stream and configuration, sorted by stream and strategy."""
    groups: dict[str, list[RunRecord]] = {}
    flat: dict[str, dict[str, Any]] = {}
    for record in records:
        settings = {
            key: value
            for key, value in flatten(record.settings).items()
            if not any(key == outside or key.startswith(f"{outside}.") for outside in _OUTSIDE)
        }
        identity = json.dumps([record.stream, record.scenario, record.strategy, settings], sort_keys=True)
        groups.setdefault(identity, []).append(record)
        flat[identity] = settings
    rows = []
    for identity, members in groups.items():
        first = members[0]
        alike = [
            flat[other]
            for other, others in groups.items()
            if (others[0].stream, others[0].scenario, others[0].strategy)
            == (first.stream, first.scenario, first.strategy)
        ]
        rows.append(_row(members, _distinguishing(flat[identity], alike)))
    return sorted(rows, key=lambda row: (row.stream, row.scenario, row.strategy, str(row.options)))


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key.

    >>> flatten({"a": {"b": 1, "c": [2]}})
    {'a.b': 1, 'a.c': [2]}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _distinguishing(settings: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that not all of ``alike`` share; a component's options are compared among those of its name."""
    return {
        key: value
        for key, value in settings.items()
        if any(
            (key not in other or other[key] != value) and not _of_another(key, settings, other)
            for other in alike
        )
    }


def _of_another(key: str, settings: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether ``key`` is an option of a component in whose place ``other`` has another one."""
    parts = key.split(".")
    names = (".".join([*parts[:depth], "name"]) for depth in range(1, len(parts)))
    return any(name != key and name in settings and settings[name] != other.get(name) for name in names)


def _row(members: Sequence[RunRecord], options: dict[str, Any]) -> Row:
    by_seed: dict[int, RunRecord] = {}
    repeated = []
    for member in members:
        if member.seed in by_seed:
            repeated.append(str(member.folder))
        else:
            by_seed[member.seed] = member
    seeds = tuple(sorted(by_seed))
    values = {name: tuple(by_seed[seed].scores[name] for seed in seeds) for name in SCORES}
    defined = {name: [value for value in values[name] if value is not None] for name in SCORES}
    first = members[0]
    return Row(
        stream=first.stream,
        scenario=first.scenario,
        strategy=first.strategy,
        options=options,
        seeds=seeds,
        scores={name: t_interval(defined[name]) if defined[name] else None for name in SCORES},
        values=values,
        repeated=tuple(repeated),
    )
