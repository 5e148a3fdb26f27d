"""Which settings tell runs apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_kd.comparison.types import RunRecord

__all__ = ["apart", "flatten", "identity", "settings_of"]

# These say where or how fast a run ran and what was asked of it, not what was run: no evaluation moves a weight.
_OUTSIDE = (
    "seed",
    "name",
    "device",
    "imports",
    "tracking",
    "evaluation",
    "stream.root",
    "training.threads",
    "training.workers",
    "training.checkpoint_every",
)
# What a configuration of an older version does not say.
_DEFAULTS = {"rounds.name": "single"}


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


def settings_of(record: RunRecord) -> dict[str, Any]:
    """The settings that make a run what it is, by dotted key; a list of components by their names, as on W&B."""
    from lifelong_kd.tracking.wandb.flat import flat as by_name

    flat = flatten(by_name(record.settings))
    kept = {
        key: value
        for key, value in flat.items()
        if not any(key == outside or key.startswith(f"{outside}.") for outside in _OUTSIDE)
    }
    return _DEFAULTS | kept if not any(key in kept for key in ("rounds", "rounds.name")) else kept


def identity(value: Any) -> str:
    """Text that is equal for equal settings; 2 and 2.0 are, as JSON does not keep them apart."""
    return json.dumps(_same(value), sort_keys=True, default=str)


def apart(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each, those settings that not all the others share.

    An option of a component is compared among those that have a component of the same name there: ``rounds.budget``
    of two runs that both have ``rounds.name`` balance.

    >>> apart([{"lr": 1, "epochs": 5}, {"lr": 2, "epochs": 5}])
    [{'lr': 1}, {'lr': 2}]
    """
    found: list[dict[str, Any]] = [{} for _ in settings]
    for key in dict.fromkeys(key for one in settings for key in one):
        groups: dict[tuple[Any, ...], list[int]] = {}
        inside = _inside(key)
        for number, one in enumerate(settings):
            groups.setdefault(tuple(identity(one.get(name)) for name in inside), []).append(number)
        for numbers in groups.values():
            values = {identity(settings[n][key]) if key in settings[n] else "" for n in numbers}
            if len(values) > 1:
                for number in numbers:
                    if key in settings[number]:
                        found[number][key] = settings[number][key]
    return found


def _inside(key: str) -> list[str]:
    """The keys that name the components which the option ``key`` is in."""
    parts = key.split(".")
    names = (".".join([*parts[:depth], "name"]) for depth in range(1, len(parts)))
    return [name for name in names if name != key]


def _same(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _same(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_same(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
