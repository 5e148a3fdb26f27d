"""Which W&B run a run is, and what it is called there: configuration, then environment, then our own default."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifelong_kd.tracking.base import RunInfo

__all__ = [
    "DEFAULT_JOB_TYPE",
    "DEFAULT_PROJECT",
    "PLACE",
    "arguments",
    "default_group",
    "id_of",
    "keep_id",
    "under_agent",
]

DEFAULT_PROJECT = "lifelong-kd"
DEFAULT_JOB_TYPE = "train"
NAME = "id.json"
PLACE = ("project", "entity", "name", "group", "job_type")


def default_group(stream: str, scenario: str, strategy: str) -> str:
    """The group of the runs that differ in nothing but their seed, as far as these names tell.

    >>> default_group("split_mnist", "class", "lwf")
    'split_mnist-class-lwf'
    """
    return "-".join(part for part in (stream, scenario, strategy) if part)


def under_agent(environment: Mapping[str, str] | None = None) -> bool:
    """Whether ``wandb agent`` started this process: the server then waits for the run whose id it was given."""
    return bool((os.environ if environment is None else environment).get("WANDB_SWEEP_ID"))


def id_of(run: RunInfo) -> str:
    """The W&B id of ``run``: an agent's, else the one that it had before, else ``WANDB_RUN_ID``, else its own.

    An agent's goes first because the SDK takes no other there.
    """
    given = os.environ.get("WANDB_RUN_ID")
    if given and under_agent():
        return given
    kept = _kept(run.folder).get("id")
    if kept:
        return str(kept)
    return run.run_id if run.resumed or not given else given


def _kept(folder: Path) -> dict[str, Any]:
    path = folder / "wandb" / NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def keep_id(folder: Path, identity: str, **where: str | None) -> None:
    """Note the W&B id of the run in ``folder`` and ``where`` it is (of ``PLACE``), for when it is resumed."""
    path = folder / "wandb" / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{NAME}.part")
    known = {name: value for name, value in where.items() if value}
    beside.write_text(json.dumps({"id": identity, **known}) + "\n", encoding="utf-8")
    os.replace(beside, path)


def arguments(
    run: RunInfo,
    *,
    project: str,
    entity: str | None,
    group: str | None,
    job_type: str | None,
    tags: list[str],
    notes: str | None,
) -> dict[str, Any]:
    """What ``wandb.init`` is told of the run; ``None`` leaves it to the SDK, which looks at the environment.

    A run that goes on is where it was, whatever the environment says by now, unless an agent started it.
    """

    def unless_set(variable: str, default: str) -> str | None:
        return None if os.environ.get(variable) else default

    kind = job_type or run.job_type or DEFAULT_JOB_TYPE
    words = list(dict.fromkeys([*run.tags, *tags]))
    kept = {} if under_agent() else _kept(run.folder)
    return {
        "name": run.name if run.config.get("name") is not None else unless_set("WANDB_NAME", run.name),
        "project": project if project != DEFAULT_PROJECT else unless_set("WANDB_PROJECT", project),
        "entity": entity,
        "group": group
        or run.group
        or unless_set("WANDB_RUN_GROUP", default_group(run.stream, run.scenario, run.strategy)),
        "job_type": kind if kind != DEFAULT_JOB_TYPE else unless_set("WANDB_JOB_TYPE", kind),
        "tags": words or None,
        "notes": notes or run.notes or None,
        **{key: kept[key] for key in PLACE if key in kept},
    }
