"""What a study is: a configuration, the grids over it and the cells they span, kept in ``study.json``."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from lifelong_kd import __version__
from lifelong_kd.comparison.read import state_of
from lifelong_kd.config.grid import Cell, parse_grid, split_values, with_hash
from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.training.folder import write_atomically

__all__ = ["NAME", "SOURCE", "Study", "extended", "merged", "need_study", "read_study", "write_study"]

NAME = "study.json"
SOURCE = "study.yaml"
"""The configuration as it was when the study was defined; what the cells read."""


@dataclass(frozen=True)
class Study:
    """The definition of a study.

    ``config`` is the configuration's path as it was typed, ``text`` its content; ``grids`` are the grids as they were
    given, one for each call that added to the study; ``imports`` are absolute paths.
    """

    config: str
    text: str
    grids: tuple[tuple[str, ...], ...]
    cells: tuple[Cell, ...]
    imports: tuple[str, ...] = ()
    created: float = dataclasses.field(default_factory=time.time)

    def with_grid(self, grid: Sequence[str], cells: Sequence[Cell]) -> Study:
        """The study with what a further grid adds to it."""
        others = [known for known in self.grids if known != tuple(grid)]
        named = {cell.name: cell for cell in (*self.cells, *cells)}
        return dataclasses.replace(self, grids=(*others, tuple(grid)), cells=tuple(named.values()))


def merged(known: Sequence[Cell], cells: Sequence[Cell]) -> list[Cell]:
    """``cells`` under the names that they have in a study already, where they are in it.

    A key that had one value and now has several is part of a cell's name from then on; the cells that are there keep
    the names of their folders.

    >>> old, new = parse_grid(["lr=1,2", "seed=0"]), parse_grid(["lr=1,2", "seed=0..1"])
    >>> [cell.name for cell in merged(old, new)]
    ['lr-1', 'lr-1_seed-1', 'lr-2', 'lr-2_seed-1']
    """
    by_overrides = {frozenset(cell.overrides): cell for cell in known}
    kept = [by_overrides.get(frozenset(cell.overrides)) for cell in cells]
    taken = {cell.name for cell in kept if cell is not None}
    return [
        old if old is not None else with_hash(new) if new.name in taken else new
        for old, new in zip(kept, cells, strict=True)
    ]


def extended(grid: Sequence[str], more: Sequence[str]) -> list[str]:
    """A grid with further values of its keys.

    Raises:
        BadCall: for a key that the grid does not have, as it would change every cell.

    >>> extended(["strategy=lwf", "seed=0..1"], ["seed=1..2"])
    ['strategy=lwf', 'seed=0,1,2']
    """
    parse_grid(more)
    axes = {key: values for key, _, values in (text.partition("=") for text in grid)}
    for text in more:
        key, _, values = text.partition("=")
        if key not in axes:
            hint = nearest(key, axes)
            keys = f"its keys are {', '.join(axes)}" if axes else "it has no keys"
            raise BadCall(
                f"{key} is no key of the study's grid; {keys}."
                + (f" Did you mean {hint!r}?" if hint else "")
                + " Another key changes every cell: start another study with `lifelong-kd sweep CONFIG`"
            )
        both = dict.fromkeys([*split_values(axes[key]), *split_values(values)])
        axes[key] = ",".join(both)
    return [f"{key}={values}" for key, values in axes.items()]


def write_study(folder: Path, study: Study) -> None:
    """Write ``study.json``, and the configuration beside it for the cells to read.

    What another sweep has added since the study was read stays.

    Raises:
        BadCall: if the folder cannot be written.
        RunFailed: if the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".study.lock", "a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise BadCall(f"the study's folder {folder} cannot be written: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read_study(folder)
        if known is not None:
            named = {cell.name: cell for cell in (*known.cells, *study.cells)}
            others = tuple(grid for grid in known.grids if grid not in study.grids)
            study = dataclasses.replace(study, grids=(*others, *study.grids), cells=tuple(named.values()))
        about = {"version": __version__, **dataclasses.asdict(study)}
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        for name, content in ((SOURCE, study.text.encode()), (NAME, text.encode())):
            path = folder / name
            if not path.is_file() or path.read_bytes() != content:
                write_atomically(path, partial(_write, content))


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def read_study(folder: Path) -> Study | None:
    """The study in a folder, ``None`` if there is none.

    Raises:
        BadCall: if its definition is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Study(
            config=str(found["config"]),
            text=str(found["text"]),
            grids=tuple(tuple(str(text) for text in grid) for grid in found["grids"]),
            cells=tuple(_cell(cell) for cell in found["cells"]),
            imports=tuple(str(path) for path in found["imports"]),
            created=float(found["created"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadCall(
            f"{path} is not the definition of a study ({type(error).__name__}: {error}): call"
            " `lifelong-kd sweep CONFIG` with the whole grid and --out to write it anew, after removing it"
        ) from error


def _cell(found: dict[str, Any]) -> Cell:
    varied = tuple((str(key), str(value)) for key, value in found["varied"])
    return Cell(str(found["name"]), tuple(str(text) for text in found["overrides"]), varied)


def need_study(folder: Path) -> Study:
    """The study in a folder.

    Raises:
        BadCall: if there is none, with what the folder is instead.
    """
    study = read_study(folder)
    if study is not None:
        return study
    if state_of(folder) in ("finished", "unfinished"):
        raise BadCall(f"{folder} is a run, not a study: `lifelong-kd resume {folder}` goes on with it")
    raise BadCall(
        f"{folder} is a folder without {NAME}, so no study: give a configuration, or a folder that"
        " `lifelong-kd sweep CONFIG KEY=A,B,C --out FOLDER` has made"
    )
