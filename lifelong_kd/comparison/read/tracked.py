"""A run as W&B has it: its configuration, its last values and its history."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lifelong_kd.comparison.read.plain import class_order, component, number, versions, whole
from lifelong_kd.comparison.types import LeftOut, RunRecord
from lifelong_kd.evaluation.names import SCORES

__all__ = ["from_tracked", "is_ours", "task_keys"]

# What the tracker adds to a configuration: it says what the run was made with and is no setting.
_ADDED = frozenset({"_wandb", "class_order", "data", "environment", "run_id", "scenario", "tasks"})
# First words of the keys that are logged while a run goes on; every other one with a single `/` is a family of scores.
_LOGGED = frozenset(
    {"epoch", "evaluation", "examples", "iteration", "phase", "plots", "round", "task", "train", "validation"}
)
_ACCURACY = re.compile(r"task/accuracy/(\d+)")


def is_ours(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is one of lifelong_kd: it has a seed, a strategy and a stream."""
    try:
        whole(config.get("seed"), "seed")
        return all(component(config.get(noun), noun) for noun in ("strategy", "stream"))
    except ValueError:
        return False


def task_keys(summary: Mapping[str, Any]) -> list[str]:
    """The keys of the history that make up the accuracy matrix."""
    return [key for key in summary if _ACCURACY.fullmatch(key)]


def from_tracked(
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]],
    *,
    name: str,
    source: str,
) -> RunRecord | LeftOut:
    """A finished run; one that lifelong_kd did not log, or not to its end, is left out.

    Args:
        config: the configuration, nested.
        summary: the last value of each key.
        history: the records that hold ``task`` and ``task/accuracy/<j>``; a later record of a task replaces an earlier.
        name: the run's display name.
        source: where it is.
    """
    if not is_ours(config):
        return LeftOut(
            source, "was not logged by lifelong_kd: its config lacks seed, strategy.name or stream.name"
        )
    values = {key: _last(value) for key, value in summary.items()}
    if values.get("average_accuracy") is None:
        return LeftOut(source, "has no average_accuracy in its summary: it was not logged to its end")
    flat = {
        key.removeprefix("score/"): value for key, value in values.items() if key.startswith("score/")
    } | values
    scores: dict[str, float | None] = dict.fromkeys(SCORES)
    cost: dict[str, float | None] = {}
    try:
        for key, value in flat.items():
            family, _, rest = key.partition("/")
            if not _is_number(value) or key.startswith("_") or family in _LOGGED or family == "score":
                continue
            if family == "cost" and rest:
                cost[rest] = number(value, key)
            elif (rest and "/" not in rest) or key in (*SCORES, "intransigence", "transfer_from_past"):
                scores[key] = number(value, key)
        stream = config["stream"]
        inner = stream.get("scenario") if isinstance(stream, Mapping) else None
        return RunRecord(
            name=name,
            source=source,
            strategy=component(config["strategy"], "strategy"),
            stream=component(stream, "stream"),
            scenario=str(config.get("scenario") or inner or ""),
            seed=whole(config["seed"], "seed"),
            scores=scores,
            settings={key: value for key, value in config.items() if key not in _ADDED},
            cost=cost,
            matrix=_matrix(history),
            class_order=class_order(config.get("class_order")),
            data=None if config.get("data") is None else str(config["data"]),
            versions=versions(config.get("environment")),
        )
    except (ValueError, OverflowError) as error:
        return LeftOut(source, f"is not as lifelong_kd logs a run: {error}")


def _last(value: Any) -> Any:
    """The value itself where ``define_metric(summary=...)`` has made a mapping of it."""
    return value["last"] if isinstance(value, Mapping) and "last" in value else value


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (
        value is None or isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity")
    )


def _matrix(history: Iterable[Mapping[str, Any]]) -> tuple[tuple[float | None, ...], ...]:
    rows: dict[int, dict[int, float | None]] = {}
    for record in history:
        found = {int(match[1]): record[key] for key in record if (match := _ACCURACY.fullmatch(key))}
        task = record.get("task")
        if found and isinstance(task, int | float):
            rows[int(task)] = {column: number(value, "task/accuracy") for column, value in found.items()}
    # A matrix with a row missing would be read as one of fewer tasks.
    if sorted(rows) != list(range(len(rows))):
        return ()
    width = max((column + 1 for row in rows.values() for column in row), default=0)
    return tuple(tuple(rows[task].get(column) for column in range(width)) for task in sorted(rows))
