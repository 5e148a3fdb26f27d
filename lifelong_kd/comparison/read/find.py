"""The runs in a folder: those of ours, and W&B's own files where there is no run of ours around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lifelong_kd.comparison.read.local import is_run

__all__ = ["Found", "find"]

# Levels below a folder that are searched: a study of studies has its runs two levels deep, a folder of projects has
# W&B's files in <project>/wandb/<run>.
_RUNS, _WANDB = 2, 3
# Runs that are made for another run, and folders in which there is none.
_PASSED_BY = frozenset({"references", "checkpoints", "plots", "logs"})


@dataclass(frozen=True)
class Found:
    """A run folder, a folder of W&B's files, or a path in which no run can be found, and why."""

    kind: Literal["run", "wandb", "closed"]
    folder: Path
    reason: str = ""


def find(path: Path) -> list[Found]:
    """Every run in ``path``, sorted by folder; ``path`` itself, closed, if it is no folder or has no run in it."""
    if not os.path.lexists(path):
        return [Found("closed", path, "there is no such folder")]
    if not path.exists():
        return [Found("closed", path, "is a link to what is not there")]
    if not path.is_dir():
        return [Found("closed", path, "is a file: give the folder of the run")]
    found = list(_search(path, 0))
    here = path.resolve()
    for parent in here.parents[:2] if here.name == "wandb" or Found("wandb", path) in found else ():
        if is_run(parent):
            return [Found("run", parent)]
    nothing = "neither a run folder nor a folder of runs: there is no config.yaml"
    return found or [Found("closed", path, nothing)]


def _search(folder: Path, depth: int) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found("closed", folder, f"cannot be read: {error.strerror}")
        return
    folders = [entry for entry in entries if _is_folder(entry)]
    names = {entry.name for entry in entries} - {entry.name for entry in folders}
    if depth <= _RUNS and names & {"config.yaml", "results.json"}:
        yield Found("run", folder)
    elif any(_is_log(name) for name in names):
        yield Found("wandb", folder)
    elif depth < _WANDB:
        for entry in folders:
            # W&B's `latest-run` is a link to a folder beside it.
            if not entry.name.startswith(".") and entry.name not in (*_PASSED_BY, "latest-run"):
                yield from _search(Path(entry.path), depth + 1)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder; a link that cannot be followed, such as one to itself, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_log(name: str) -> bool:
    return name.startswith("run-") and name.endswith(".wandb")
