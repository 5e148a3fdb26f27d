"""What is left to do of a study: a job for each cell of its grid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.read import state_of
from lifelong_kd.config.grid import Cell
from lifelong_kd.config.load import Config, load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.references import lacks_references

__all__ = ["Job", "plan"]

# What the default name of a run says anyway.
_NAMED = {"seed", "strategy", "strategy.name", "stream", "stream.name", "stream.scenario"}


@dataclass(frozen=True)
class Job:
    """One cell: its run folder, the command that runs or resumes it (None if it is finished), and its log."""

    name: str
    folder: Path
    command: tuple[str, ...] | None
    log: Path


def plan(config: Path, cells: Sequence[Cell], study: Path, imports: Sequence[Path]) -> list[Job]:
    """Check every cell and find out what is left to do; nothing is written.

    Raises:
        ConfigError: for the first cell that is not valid.
        BadCall: if a cell's folder holds a run of another configuration, or no run, or if ``study`` is a run.
    """
    if state_of(study) in ("finished", "unfinished"):
        raise BadCall(f"{study} is itself a run folder; give another --out")
    jobs = []
    for cell in cells:
        loaded = load_config(config, cell.overrides, imports=imports)
        overrides = [*cell.overrides, *_own_name(cell, loaded)]
        folder = study / cell.name
        state = state_of(folder)
        python = (sys.executable, "-m", "lifelong_kd")
        command: tuple[str, ...] | None
        if state == "foreign":
            raise BadCall(f"{folder} is not empty and holds no run; give another --out")
        if state == "free":
            files = [word for path in imports for word in ("--import", str(path))]
            command = (*python, "run", str(config), *overrides, "--out", str(folder), *files)
        else:
            wanted = load_config(config, overrides, imports=imports)
            _same_run(wanted, folder)
            done = state == "finished" and not lacks_references(wanted, folder)
            command = None if done else (*python, "resume", str(folder))
        jobs.append(Job(cell.name, folder, command, study / "logs" / f"{cell.name}.log"))
    return jobs


def _own_name(cell: Cell, loaded: Config) -> list[str]:
    """An override that gives the cell a name which tells it from its neighbours."""
    given = loaded.settings["name"] is not None
    told = [value for key, value in cell.varied if given or key not in _NAMED]
    if any(key == "name" for key, _ in cell.varied) or not told:
        return []
    return [f"name={loaded.name}-{cell.name}"[:125]]


def _same_run(config: Config, folder: Path) -> None:
    here, there = flatten(config.settings), flatten(load_config(folder / "config.yaml").settings)
    differing = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    if differing:
        key = differing[0]
        more = f", and {len(differing) - 1} more settings" if len(differing) > 1 else ""
        raise BadCall(
            f"{folder} holds a run with other settings ({key}: {there.get(key)!r} there, {here.get(key)!r} here{more});"
            " give another --out, or remove that folder"
        )
