"""Finished runs from their folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from lifelong_kd.core.errors import BadCall
from lifelong_kd.training.results import SCORES

__all__ = ["RunRecord", "State", "Unfinished", "read_runs", "state_of", "status_of"]

State = Literal["free", "finished", "unfinished", "foreign"]


@dataclass(frozen=True)
class RunRecord:
    """One finished run: ``scores`` by name (None where undefined), ``settings`` its resolved configuration."""

    folder: Path
    strategy: str
    stream: str
    scenario: str
    seed: int
    scores: dict[str, float | None]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unfinished:
    """A run folder that cannot be compared, and why."""

    folder: Path
    reason: str


def state_of(folder: Path) -> State:
    """What a folder is to a run that would like to have it.

    ``free``: not there, or empty but for what a run leaves that was killed before it began; ``finished`` or
    ``unfinished``: it holds a run; ``foreign``: it holds anything else.
    """
    if not folder.exists():
        return "free"
    if not folder.is_dir():
        return "foreign"
    if _is_run(folder):
        found = _read(folder)
        return "finished" if isinstance(found, RunRecord) else "unfinished"
    left = (file.name for file in folder.iterdir())
    return "free" if all(re.fullmatch(r"\.lock|\..+\.part", name) for name in left) else "foreign"


def status_of(folder: Path) -> str | None:
    """What run.json says of a run: running, finished, failed or interrupted; None if it says nothing."""
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    status = about.get("status") if isinstance(about, dict) else None
    return str(status) if status is not None else None


def read_runs(paths: Iterable[Path]) -> tuple[list[RunRecord], list[Unfinished]]:
    """The finished runs in run folders or in folders that contain run folders, each run once.

    Raises:
        BadCall: for a path that is no folder or has no run in it, and for a file that is damaged.
    """
    records: list[RunRecord] = []
    unfinished: list[Unfinished] = []
    seen: set[Path] = set()
    for path in paths:
        for folder in _run_folders(path):
            if folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            found = _read(folder)
            if isinstance(found, RunRecord):
                records.append(found)
            else:
                unfinished.append(found)
    return records, unfinished


def _run_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise BadCall(f"{path}: there is no such folder")
    if _is_run(path):
        return [path]
    inside = sorted(folder for depth in ("*", "*/*") for folder in path.glob(depth) if _is_run(folder))
    if not inside:
        raise BadCall(f"{path}: neither a run folder nor a folder of runs: there is no config.yaml")
    return inside


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file() or (folder / "results.json").is_file()


def _read(folder: Path) -> RunRecord | Unfinished:
    path = folder / "results.json"
    if not path.is_file():
        told = status_of(folder)
        reason = "it has no results.json yet"
        return Unfinished(folder, reason if told in (None, "running") else f"its status is {told}")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        status = str(results["status"])
        if status != "finished":
            # A run that fails writes so to run.json; its results stay those of the last task it finished.
            return Unfinished(folder, f"its status is {status_of(folder) or status}")
        settings = _settings(folder / "config.yaml")
        return RunRecord(
            folder=folder,
            strategy=_name(results["strategy"]),
            stream=_name(results["stream"]),
            scenario=str(results.get("scenario", "")),
            seed=int(results["seed"]),
            scores={name: _number(results.get(name)) for name in SCORES},
            settings=settings,
        )
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise BadCall(f"{path}: not the results of a run: {type(error).__name__}: {error}") from error


def _settings(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds no mapping")
    return loaded


def _name(component: Any) -> str:
    """The name of a component, which may be written with its options."""
    return str(component["name"] if isinstance(component, dict) else component)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
