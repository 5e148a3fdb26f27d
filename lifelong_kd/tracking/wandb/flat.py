"""The configuration as W&B gets it: everything can be filtered and grouped by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_kd.tracking.base import RunInfo

__all__ = ["config_of", "flat", "plain"]


def plain(value: object) -> Any:
    """Nested data with lists for arrays and tensors, and strings for whatever else JSON has no word for.

    >>> from pathlib import Path
    >>> plain({"root": Path("data"), 1: (2, 3)})
    {'root': 'data', '1': [2, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    listed = None if isinstance(value, type) else getattr(value, "tolist", None)
    if callable(listed):
        return plain(listed())
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def flat(value: Any) -> Any:
    """Plain data with each list of mappings as a mapping, by the name of each or its place.

    W&B makes ``a.b`` of nested mappings, and can filter by that, but leaves lists as they are.

    >>> flat({"phases": [{"name": "main", "epochs": 2}, {"lr": 0.1}], "hidden": [256, 256]})
    {'phases': {'main': {'name': 'main', 'epochs': 2}, '1': {'lr': 0.1}}, 'hidden': [256, 256]}
    """
    if isinstance(value, Mapping):
        return {key: flat(item) for key, item in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(item, Mapping) for item in value):
            return {name: flat(item) for name, item in zip(_names(value), value, strict=True)}
        return [flat(item) for item in value]
    return value


def _names(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each, its place where it has none; a second one of the same name has its place behind it."""
    names: list[str] = []
    for index, item in enumerate(items):
        name = str(item.get("name") or index)
        names.append(name if name not in names else f"{name}_{index}")
    return names


def config_of(run: RunInfo) -> dict[str, Any]:
    """The resolved settings, and what the run is and runs on; the settings' own keys go first.

    ``strategy`` and ``stream`` are mappings with a ``name`` in the settings, and just names in a run without any.
    """
    own: dict[str, Any] = flat(plain(run.config))
    if own.get("name") is None:
        own["name"] = run.name
    about = {
        "seed": run.seed,
        "stream": run.stream,
        "strategy": run.strategy,
        "scenario": run.scenario,
        "tasks": run.tasks,
        "run_id": run.run_id,
        **flat(plain(run.about)),
    }
    return {**about, **own}
