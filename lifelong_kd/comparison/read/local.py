"""A run from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lifelong_kd.comparison.read.plain import class_order, component, matrix, number, numbers, versions, whole
from lifelong_kd.comparison.types import RunRecord
from lifelong_kd.evaluation.names import SCORES

__all__ = ["Damaged", "is_run", "read_json", "read_run"]

# Mappings of results.json that are no family of scores.
_NO_FAMILY = frozenset({"strategy", "stream", "rounds", "readings", "cost", "references"})

# The loader in C reads a configuration in a tenth of the time; some builds of PyYAML lack it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Damaged(ValueError):
    """A file of a run cannot be used; the message says which, where and why."""


def is_run(folder: Path) -> bool:
    """Whether a folder looks like that of a run, whole or not."""
    return (folder / "config.yaml").is_file() or (folder / "results.json").is_file()


def read_json(path: Path) -> dict[str, Any] | None:
    """The mapping that a JSON file holds; ``None`` if there is no such file.

    Raises:
        Damaged: if it cannot be read, or holds anything else.
    """
    text = _text(path)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        # Most are a JSONDecodeError, which names line and column.
        raise Damaged(f"{path.name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Damaged(f"{path.name} holds a {type(value).__name__}, not a mapping")
    return value


def read_run(folder: Path, source: str, results: Mapping[str, Any]) -> RunRecord:
    """A finished run; ``results`` is what its ``results.json`` holds.

    Raises:
        Damaged: if one of its files cannot be read or used.
    """
    settings = _settings(folder / "config.yaml")
    try:
        return RunRecord(
            name=str(results.get("name") or folder.name),
            source=source,
            strategy=component(results.get("strategy"), "strategy"),
            stream=component(results.get("stream"), "stream"),
            scenario=str(results.get("scenario") or ""),
            seed=whole(results.get("seed"), "seed"),
            scores=_scores(results),
            settings=settings,
            cost=numbers(_mapping(results, "cost")),
            matrix=matrix(results.get("accuracy_matrix")),
            class_order=class_order(results.get("class_order")),
            data=None if results.get("data") is None else str(results["data"]),
            versions=_versions(folder / "environment.json"),
        )
    except (ValueError, OverflowError) as error:
        raise Damaged(f"results.json: {error}") from error


def _scores(results: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores of the accuracy matrix, those of each family, and those that need references."""
    scores = {name: number(results.get(name), name) for name in SCORES}
    scores |= numbers(_mapping(results, "references"))
    for family, found in results.items():
        if isinstance(found, Mapping) and family not in _NO_FAMILY:
            scores |= numbers(found, f"{family}/")
    return scores


def _mapping(results: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = results.get(key)
    return value if isinstance(value, Mapping) else {}


def _settings(path: Path) -> dict[str, Any]:
    text = _text(path)
    if text is None:
        raise Damaged(f"it has no {path.name}, so what was run is not known")
    try:
        loaded = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise Damaged(f"{path.name} is not YAML{where}") from error
    if not isinstance(loaded, dict):
        raise Damaged(f"{path.name} holds no mapping")
    return loaded


def _versions(path: Path) -> dict[str, str | None]:
    try:
        return versions(read_json(path))
    except Damaged:
        # It says what the run was made with and nothing that is compared.
        return {}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise Damaged(f"{path.name} is not text (byte {error.start})") from error
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}") from error
