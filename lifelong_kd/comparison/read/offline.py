"""Runs from the files that W&B's SDK writes where there is no server, read by the SDK's own program."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lifelong_kd.comparison.read.tracked import from_tracked
from lifelong_kd.comparison.types import LeftOut, RunRecord

__all__ = ["read_offline"]

# Seconds to wait for one file: a run of a million records takes about a minute.
PATIENCE = 120.0


@dataclass
class _Part:
    """What one start of a run has written; ``exit`` is None if it did not come to its end."""

    folder: Path
    run_id: str
    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    exit: int | None = None
    problem: str = ""


def read_offline(folders: Sequence[Path]) -> list[RunRecord | LeftOut]:
    """The runs in W&B's folders ``offline-run-...`` and ``run-...``; the parts of one that was resumed are one run.

    A file that was cut off, as by a killed process, is read up to there.
    """
    from wandb.util import get_core_path

    program = get_core_path()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(lambda folder: _read(program, folder), folders))
    runs: dict[tuple[Path, str], list[_Part]] = {}
    for part in parts:
        runs.setdefault((part.folder.resolve().parent, part.run_id), []).append(part)
    return [_whole(sorted(run, key=_started)) for run in runs.values()]


def _started(part: _Part) -> str:
    """When a part was begun: an online part of a run may be older or newer than an offline one."""
    return part.folder.name.removeprefix("offline-")


def _whole(parts: Sequence[_Part]) -> RunRecord | LeftOut:
    """One run of its parts, oldest first: what a later one says goes."""
    last = parts[-1]
    source = str(last.folder)
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    for part in parts:
        config |= part.config
        summary |= part.summary
    if not config:
        return LeftOut(
            source, last.problem or "has no config: its process was killed before anything was written"
        )
    history = [record for part in parts for record in part.history]
    run = from_tracked(config, summary, history, name=last.name or last.run_id, source=source)
    if isinstance(run, LeftOut) and "not logged by lifelong_kd" in run.reason:
        return run
    if last.exit is None:
        return LeftOut(
            source, f"is still running, or was killed{f' ({last.problem})' if last.problem else ''}"
        )
    if last.exit != 0:
        # 255 is what W&B records for a run that was stopped from outside.
        return LeftOut(source, "was interrupted" if last.exit == 255 else f"failed: exit code {last.exit}")
    return run


def _read(program: str, folder: Path) -> _Part:
    (file, *_) = sorted(folder.glob("run-*.wandb"))
    part = _Part(folder, file.stem.removeprefix("run-"))
    command = [program, "leet", "inspect", "-no-observability", "-json", "-run-file", str(file), str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        part.problem = f"{file.name} takes longer than {PATIENCE:g} s to read"
        return part
    for record in _records(done.stdout):
        _take(part, record)
    complaint = " ".join(done.stderr.split())
    if complaint or done.returncode:
        part.problem = f"{file.name}: {complaint[:200] or f'it cannot be read (status {done.returncode})'}"
    return part


def _records(text: str) -> Iterator[Mapping[str, Any]]:
    """The records that matter: a history has thousands that do not."""
    for line in text.splitlines():
        kind = line[: line.find(",", line.find(",") + 1)]
        if ('"history"' in kind and '"task/accuracy/' not in line) or '"stats"' in kind:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            # The last line of a file that was cut off; the program says so beside.
            continue
        if isinstance(record, dict):
            yield record


def _take(part: _Part, record: Mapping[str, Any]) -> None:
    kind = record.get("type")
    what = record.get(str(kind))
    if not isinstance(what, Mapping):
        return
    if kind == "run":
        part.name = str(what.get("display_name") or part.name)
        part.config |= what.get("config", {}).get("update", {})
    elif kind == "config":
        part.config |= what.get("update", {})
    elif kind == "summary":
        part.summary |= what.get("update", {})
    elif kind == "history":
        part.history.append(dict(what.get("item", {})))
    elif kind == "exit":
        part.exit = int(what.get("exit_code", 0))
