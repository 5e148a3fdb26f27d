"""Logging to the server what it lacks of a run that was tracked online when the server or the process died.

Every number comes, and the scores; pictures, tables and models that did not arrive stay in the run folder.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.base import RunInfo, Status
from lifelong_kd.tracking.composite import one_line
from lifelong_kd.tracking.jsonl import read
from lifelong_kd.tracking.wandb.files import fragments
from lifelong_kd.tracking.wandb.history import Part, read_summary
from lifelong_kd.tracking.wandb.identity import id_of
from lifelong_kd.tracking.wandb.tracker import WandbTracker

__all__ = ["complete", "is_incomplete"]


def is_incomplete(folder: Path) -> bool:
    """Whether the run in ``folder`` was tracked online and W&B may lack the end of it."""
    return any(_lacks(Part(part)) for part in (folder / "wandb").glob("run-*") if part.is_dir())


def _lacks(part: Part) -> bool:
    return part.begun and not part.offline and not part.uploaded


def complete(folder: Path, finish_timeout: float = 300.0) -> str:
    """Log what W&B lacks of the run in ``folder``, each point once; returns its address.

    Args:
        folder: the run folder.
        finish_timeout: seconds to wait for the upload.

    Raises:
        BadCall: if the folder holds no run, or the server cannot be reached or does not take it in time.
    """
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        run = _run_info(folder, about, settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise BadCall(f"{folder} holds no run that can be read ({one_line(error)})") from error
    options: dict[str, Any] = {**settings.get("tracking", {}).get("wandb", {}), "mode": "online"}
    tracker = WandbTracker(**{**options, "finish_timeout": finish_timeout})
    parts = fragments(folder, id_of(run))
    scores = read_summary(parts[-1]) if parts else {}
    tracker.start(run)
    tracker.summary(scores)
    status: Status = about["status"] if about.get("status") in ("finished", "interrupted") else "failed"
    tracker.finish(status)
    if tracker.url is None:
        # The tracker went on offline, with nothing to log.
        if tracker.path is not None:
            shutil.rmtree(tracker.path)
        raise BadCall("the W&B server cannot be reached; nothing was uploaded")
    if any(_lacks(Part(part)) for part in fragments(folder, id_of(run))):
        raise BadCall(f"the W&B server did not take it within {finish_timeout:g} s")
    return tracker.url


def _run_info(folder: Path, about: dict[str, Any], settings: dict[str, Any]) -> RunInfo:
    stream = settings.get("stream") or {}
    options = settings.get("tracking", {}).get("wandb", {})
    return RunInfo(
        name=str(about["name"]),
        folder=folder,
        config=settings,
        run_id=str(about["run_id"]),
        stream=str(stream.get("name", "custom")),
        strategy=str((settings.get("strategy") or {}).get("name", "custom")),
        scenario=str(stream.get("scenario", "class")),
        seed=int(settings.get("seed", 0)),
        tasks=len(tasks) if isinstance(tasks := stream.get("experiences"), list) else int(tasks or 0),
        group=options.get("group"),
        job_type=options.get("job_type"),
        tags=tuple(options.get("tags", ())),
        notes=options.get("notes"),
        resumed=True,
        logged=len(read(folder)),
    )
