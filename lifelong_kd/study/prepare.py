"""A study made ready: its definition, and its cells checked, before anything is written or started."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifelong_kd.comparison.read import state_of, status_of
from lifelong_kd.config.grid import Cell, parse_grid
from lifelong_kd.config.load import load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.board import Board
from lifelong_kd.study.definition import SOURCE, Study, extended, merged, need_study, read_study, write_study
from lifelong_kd.study.jobs import ERROR, last_line, last_words
from lifelong_kd.study.plan import Job, plan

__all__ = ["Prepared", "prepare", "prepare_again"]


@dataclass(frozen=True)
class Prepared:
    """A study that can be run.

    ``grid`` is the one that ``jobs`` are the cells of; ``settings`` those of the first cell; ``given_imports`` the
    files of ``--import``.
    """

    folder: Path
    study: Study
    grid: tuple[str, ...]
    jobs: list[Job]
    settings: dict[str, Any]
    given_imports: tuple[str, ...] = ()

    def board(self, *, retry: bool = True) -> Board:
        """Where the study stands; without ``retry`` what failed before stays so."""
        board = Board.of(self.jobs)
        if not retry:
            before = [job for job in board.waiting if _failed_before(job)]
            board.failed = {
                job.name: f"{last_words(job.log).rstrip('.')} (in an earlier call)" for job in before
            }
            board.waiting = deque(job for job in board.waiting if job.name not in board.failed)
        return board


def prepare(config: Path, grid: Sequence[str], folder: Path, imports: Sequence[Path]) -> Prepared:
    """A study of a configuration, new or with what is in the folder already; nothing is written.

    Raises:
        ConfigError: for the first cell that is not valid.
        BadCall: if the grid is none, or the folder cannot be had.
    """
    cells = parse_grid(grid)
    _refuse_varied_imports(cells)
    known = read_study(folder) if folder.is_dir() else None
    cells = merged(known.cells, cells) if known is not None else cells
    jobs = plan(config, cells, folder, imports, source=folder / SOURCE)
    settings = load_config(config, cells[0].overrides, imports=imports).settings
    text = config.read_text(encoding="utf-8")
    files = tuple(settings["imports"])
    if known is None:
        study = Study(str(config), text, (tuple(grid),), tuple(cells), files)
    else:
        study = dataclasses.replace(known, config=str(config), text=text, imports=files).with_grid(
            grid, cells
        )
    return Prepared(folder, study, tuple(grid), jobs, settings, tuple(str(path) for path in imports))


def prepare_again(folder: Path, more: Sequence[str], imports: Sequence[Path]) -> Prepared:
    """The study that a folder holds, as it was defined, with further values of its keys.

    Raises:
        ConfigError: for the first cell that is not valid.
        BadCall: if the folder holds no study, or a key is none of its grid's.
    """
    if imports:
        raise BadCall("--import goes with a configuration; a study keeps the files it was defined with")
    study = need_study(folder)
    write_study(folder, study)  # the cells read the copy of the configuration, which may be gone
    last = study.grids[-1]
    grid = tuple(extended(last, more)) if more else last
    cells = list(study.cells)
    if more:
        cells = merged(study.cells, parse_grid(grid))
        study = study.with_grid(grid, cells)
        cells = list(study.cells)
    files = [Path(path) for path in study.imports]
    if files:  # those of the configuration are relative to where it was
        cells = [_without_imports(cell) for cell in cells]
    source = folder / SOURCE
    jobs = plan(source, cells, folder, files)
    settings = load_config(source, cells[0].overrides, imports=files).settings
    return Prepared(folder, study, grid, jobs, settings)


def _failed_before(job: Job) -> bool:
    """Whether a cell failed when it was last run, as its run says, or its log if it came to no run."""
    if state_of(job.folder) != "free":
        return status_of(job.folder) == "failed"
    return job.log.is_file() and last_line(job.log).startswith(ERROR)


def _without_imports(cell: Cell) -> Cell:
    kept = [text for text in cell.overrides if not text.startswith("imports=")]
    return dataclasses.replace(cell, overrides=(*kept, "imports=[]"))


def _refuse_varied_imports(cells: Sequence[Cell]) -> None:
    if any(key == "imports" for key, _ in cells[0].varied):
        raise BadCall("imports are the same for all cells of a study: give one value")
