"""Runs of a project on a W&B server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lifelong_kd.comparison.read.tracked import from_tracked, is_ours, task_keys
from lifelong_kd.comparison.types import LeftOut, RunRecord
from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["Unreachable", "parse_selection", "read_project"]

PER_PAGE = 100
# What a filter may name, and what the server calls it. To the server a run's name is its id.
FIELDS = {
    "group": "group",
    "tags": "tags",
    "state": "state",
    "job_type": "jobType",
    "name": "displayName",
}


class Unreachable(BadCall):
    """A project of which no run can be had: no key, no network, no such project, no permission, or none that fits."""


def read_project(selection: str) -> tuple[list[RunRecord], list[LeftOut]]:
    """The finished runs of ``ENTITY/PROJECT[:FILTER]`` on the W&B server, and those that cannot be compared.

    The filter is ``key=value[,key=value...]`` with the keys ``group``, ``tags``, ``state``, ``job_type``, ``name`` and
    ``config.<dotted key>``, all of which have to hold, or a filter of W&B's own in JSON. Nothing is asked of the user,
    and a server that does not answer is given up.

    Raises:
        BadCall: for a selection that is not of this form.
        Unreachable: if the project cannot be read, or no run fits the selection.

    Example:
        >>> read_project("team/split-cifar:group=derpp,config.training.epochs=5")  # doctest: +SKIP
    """
    entity, project, filters = parse_selection(selection)
    records: list[RunRecord] = []
    left: list[LeftOut] = []
    for result in _read(entity, project, filters):
        (records if isinstance(result, RunRecord) else left).append(result)  # type: ignore[arg-type]
    if not records and not left:
        fitting = f" that fits {selection.partition(':')[2]!r}" if filters else ""
        raise Unreachable(f"W&B project {entity}/{project} has no run{fitting}")
    return records, left


def parse_selection(selection: str) -> tuple[str, str, dict[str, Any]]:
    """Entity, project and the server's filter of ``ENTITY/PROJECT[:FILTER]``.

    >>> parse_selection("me/mine:group=lwf,config.seed=0")
    ('me', 'mine', {'$and': [{'group': 'lwf'}, {'config.seed': 0}]})
    """
    path, _, text = selection.partition(":")
    match = re.fullmatch(r"([^/\s]+)/([^/\s]+)", path)
    if match is None:
        raise BadCall(f"--wandb {selection!r}: {path!r} is not ENTITY/PROJECT, as in my-team/lifelong-kd")
    text = text.strip()
    filters = _json(text, selection) if text.startswith("{") else _pairs(text, selection)
    return match[1], match[2], filters


def _json(text: str, selection: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadCall(f"--wandb {selection!r}: the filter is not JSON: {error}") from error
    assert isinstance(value, dict)
    return value


def _pairs(text: str, selection: str) -> dict[str, Any]:
    wanted: list[dict[str, Any]] = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            raise BadCall(f"--wandb {selection!r}: {pair!r} in the filter is not key=value")
        if key in FIELDS:
            # Tags are a list, of which one has to be the value.
            wanted.append({FIELDS[key]: {"$in": [value]} if key == "tags" else value})
        elif re.fullmatch(r"config\.[^.]+(\.[^.]+)*", key):
            wanted.append({key: _value(value)})
        else:
            hint = nearest(key, FIELDS)
            raise BadCall(
                f"--wandb {selection!r}: nothing can be filtered by {key!r}; it must be one of"
                f" {', '.join(FIELDS)} or config.<dotted key>.{f' Did you mean {hint!r}?' if hint else ''}"
            )
    return wanted[0] if len(wanted) == 1 else {"$and": wanted} if wanted else {}


def _value(text: str) -> Any:
    """A number, true, false or null as such, anything else as it stands."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, dict | list) else value


def _read(entity: str, project: str, filters: Mapping[str, Any]) -> Iterator[RunRecord | LeftOut]:
    import wandb

    from lifelong_kd.tracking.wandb.client import client

    try:
        api = client()
        # With all values at once: one request for each of them would take minutes.
        for run in api.runs(f"{entity}/{project}", filters=dict(filters), per_page=PER_PAGE, lazy=False):
            yield _record(run, f"{entity}/{project}/{run.id}")
    except (wandb.errors.Error, ValueError, TypeError, OSError, TimeoutError) as error:
        raise Unreachable(f"W&B project {entity}/{project} cannot be read: {_why(error)}") from error
    except BadCall as error:
        raise Unreachable(f"W&B project {entity}/{project} cannot be read: {error}") from error


def _record(run: Any, source: str) -> RunRecord | LeftOut:
    config, summary = dict(run.config), dict(run.summary_metrics or {})
    if not is_ours(config):
        return from_tracked(config, summary, (), name=str(run.name), source=source)
    if run.state != "finished":
        return LeftOut(source, "is still running" if run.state == "running" else f"its state is {run.state}")
    keys = task_keys(summary)
    history = run.history(samples=10_000, keys=["task", *keys], pandas=False) if keys else []
    return from_tracked(config, summary, history, name=str(run.name), source=source)


def _why(error: Exception) -> str:
    text = " ".join(str(error).split()).partition(" while retrying: ")[0] or type(error).__name__
    return text[:300]
