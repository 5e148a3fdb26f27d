"""The runs in a folder: those of ours, and W&B's own files where there is no run of ours around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lifelong_kd.comparison.read.local import is_run
from lifelong_kd.core.errors import BadCall

__all__ = ["Found", "find"]

# Levels below a folder that are searched: a study of studies has its runs two levels deep, a folder of projects has
# W&B's files in <project>/wandb/<run>.
_RUNS, _WANDB = 2, 3
# Runs that are made for another run, and folders in which there is none.
_PASSED_BY = frozenset({"references", "checkpoints", "plots", "logs"})


@dataclass(frozen=True)
class Found:
    """A run folder, a folder of W&B's files, or a folder that cannot be read, and why."""

    kind: Literal["run", "wandb", "closed"]
    folder: Path
    reason: str = ""


def find(path: Path) -> list[Found]:
    """Every run in ``path``, sorted by folder.

    Raises:
        BadCall: for a path that is no folder, cannot be read, or has no run in it.
    """
    if not os.path.lexists(path):
        raise BadCall(f"{path}: there is no such folder")
    if not path.is_dir():
        raise BadCall(f"{path} is a file: give the folder of the run")
    around = path.resolve().parents[:2]
    for parent in around if _is_wandb(path) or path.resolve().name == "wandb" else ():
        if is_run(parent):
            return [Found("run", parent)]
    found = list(_search(path, 0))
    if found == [] or (found[0].kind == "closed" and found[0].folder == path):
        reason = (
            found[0].reason if found else "neither a run folder nor a folder of runs: there is no config.yaml"
        )
        raise BadCall(f"{path}: {reason}")
    return found


def _search(folder: Path, depth: int) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found("closed", folder, f"cannot be read: {error.strerror}")
        return
    names = {entry.name for entry in entries if not entry.is_dir()}
    if depth <= _RUNS and names & {"config.yaml", "results.json"}:
        yield Found("run", folder)
    elif any(_is_log(name) for name in names):
        yield Found("wandb", folder)
    elif depth < _WANDB:
        for entry in entries:
            # W&B's `latest-run` is a link to a folder beside it.
            passed = entry.name.startswith(".") or entry.name in (*_PASSED_BY, "latest-run")
            if not passed and entry.is_dir():
                yield from _search(Path(entry.path), depth + 1)


def _is_wandb(folder: Path) -> bool:
    return any(_is_log(entry.name) for entry in folder.iterdir())


def _is_log(name: str) -> bool:
    return name.startswith("run-") and name.endswith(".wandb")
