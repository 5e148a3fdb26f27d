"""What a study's cells are as jobs: the command that runs each, checked before anything is started."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.read import state_of
from lifelong_kd.config.dialect import read_yaml
from lifelong_kd.config.grid import Cell
from lifelong_kd.config.load import Config, load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.cell import is_done

__all__ = ["FEW", "Job", "plan"]

# What the default name of a run says anyway.
_NAMED = {"seed", "strategy", "strategy.name", "stream", "stream.name", "stream.scenario"}
FEW = 5
"""So many cells are named one by one."""


@dataclass(frozen=True)
class Job:
    """One cell: its run folder, the command that does what is left of it, and its log.

    ``command`` is None if it is finished. ``groups`` are the cells that take about as long, the largest group first:
    those of its strategy, and those that differ from it in their seed alone.
    """

    name: str
    folder: Path
    command: tuple[str, ...] | None
    log: Path
    groups: tuple[str, ...] = ()


def plan(
    config: Path, cells: Sequence[Cell], study: Path, imports: Sequence[Path], source: Path | None = None
) -> list[Job]:
    """Check every cell and find out what is left to do; nothing is written.

    Args:
        config: the configuration that is checked.
        cells: the cells of the study, or some of them.
        study: the study's folder.
        imports: further Python files to execute first.
        source: the file the cells are to read, with the content of ``config``; ``config`` itself if not given.

    Raises:
        ConfigError: for the first cell that is not valid.
        BadCall: if cells' folders hold runs of another configuration, or no run, or if ``study`` is a run.
    """
    if state_of(study) in ("finished", "unfinished"):
        raise BadCall(f"{study} is itself a run folder; give another --out")
    jobs, differing = [], []
    for cell in cells:
        loaded = load_config(config, cell.overrides, imports=imports)
        named = _own_name(cell, loaded)
        folder = study / cell.name
        state = state_of(folder)
        if state == "foreign":
            raise BadCall(f"{folder} is not empty and holds no run; give another --out")
        if state != "free":
            settings = (
                {**loaded.settings, "name": named[0].removeprefix("name=")} if named else loaded.settings
            )
            differing += [(folder, found) for found in _difference(settings, folder)]
        command = None if is_done(folder) else _command(cell, named, loaded, folder, source or config)
        log = study / "logs" / f"{cell.name}.log"
        jobs.append(Job(cell.name, folder, command, log, _groups(cell, loaded)))
    _refuse_differing(differing)
    return jobs


def _command(cell: Cell, named: Sequence[str], loaded: Config, folder: Path, source: Path) -> tuple[str, ...]:
    # Paths of imports are relative to the file they stand in: the cells read another.
    files = loaded.settings["imports"]
    overrides = [text for text in cell.overrides if not (files and text.startswith("imports="))]
    words = ["run", str(source), *overrides, *named, *(["imports=[]"] if files else [])]
    words += ["--out", str(folder), *(word for path in files for word in ("--import", path))]
    return (sys.executable, "-m", "lifelong_kd.study.cell", str(folder), *words)


def _own_name(cell: Cell, loaded: Config) -> list[str]:
    """An override that gives the cell a name which tells it from its neighbours."""
    given = loaded.settings["name"] is not None
    told = [value for key, value in cell.varied if given or key not in _NAMED]
    if any(key == "name" for key, _ in cell.varied) or not told:
        return []
    return [f"name={loaded.name}-{cell.name}"[:125]]


def _groups(cell: Cell, loaded: Config) -> tuple[str, str]:
    strategy = str(loaded.settings["strategy"]["name"])
    rest = " ".join(f"{key}={value}" for key, value in cell.varied if key != "seed")
    return strategy, f"{strategy} {rest}"


def _difference(settings: dict[str, object], folder: Path) -> list[str]:
    """In which setting the run in a folder differs from the cell's, in words; nothing if it does not."""
    path = folder / "config.yaml"
    if read_yaml(path)[0] == settings:
        return []
    # An older version may have had fewer settings: what is missing has its default.
    here, there = flatten(settings), flatten(load_config(path).settings)
    differing = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    if not differing:
        return []
    key = differing[0]
    more = f", and {len(differing) - 1} more settings" if len(differing) > 1 else ""
    return [f"{key}: {there.get(key)!r} there, {here.get(key)!r} here{more}"]


def _refuse_differing(differing: Sequence[tuple[Path, str]]) -> None:
    if not differing:
        return
    folder, what = differing[0]
    others = ", ".join(folder.name for folder, _ in differing[1:FEW])
    others += f" and {len(differing) - FEW} more" if len(differing) > FEW else ""
    raise BadCall(
        f"{folder} holds a run with other settings ({what});"
        + (f" so do {others};" if others else "")
        + " give another --out, or remove what should be run again"
    )
