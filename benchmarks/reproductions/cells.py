"""A published table as data: what each of its cells says, and which run of ours it is compared with."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from one_run import ROOT, load

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.config.load import Config

__all__ = ["Cell", "Published", "Recipe", "Table", "chosen"]

OUTSIDE = (
    "seed",
    "name",
    "device",
    "imports",
    "tracking",
    "evaluation",
    "stream.root",
    "stream.download",
    "training.threads",
)
"""Settings that say where a run ran or what is told of it, not what was run."""

LEAN = "evaluation.before_first=false"


@dataclass(frozen=True)
class Published:
    """A value in percent and its standard error, ``None`` where none is printed."""

    value: float
    se: float | None = None


@dataclass(frozen=True)
class Recipe:
    """A run: a file of ``configs/``, overrides of its keys, and what no key can say.

    Args:
        name: how ``--only`` and the results call it.
        config: below ``configs/``.
        overrides: ``key=value``.
        prepare: functions that are called with the experiment before it starts.
        by_seed: overrides that follow from the seed.
    """

    name: str
    config: str
    overrides: tuple[str, ...] = ()
    prepare: tuple[Callable[[Any], None], ...] = ()
    by_seed: Callable[[int], list[str]] | None = None

    @property
    def file(self) -> Path:
        return ROOT / "configs" / self.config

    def configuration(self, seed: int, more: Sequence[str] = ()) -> Config:
        """What is run with a seed; ``more`` are overrides from the command line."""
        drawn = self.by_seed(seed) if self.by_seed is not None else []
        return load(self.file, _last_wins([LEAN, *self.overrides, *drawn, *more, f"seed={seed}"]))

    def settings(self, more: Sequence[str] = ()) -> dict[str, Any]:
        """Everything that decides what a seed gives, by dotted key."""
        found = flatten(load(self.file, _last_wins([*self.overrides, *more])).settings)
        kept = {
            key: value
            for key, value in found.items()
            if not any(key == outside or key.startswith(f"{outside}.") for outside in OUTSIDE)
        }
        extra = [*self.prepare, *([self.by_seed] if self.by_seed is not None else [])]
        return {**kept, "prepared by": [function.__name__ for function in extra]}


@dataclass(frozen=True)
class Cell:
    """One cell of a published table.

    Args:
        method: its row.
        setting: its column.
        recipe: the run; several cells may read the same.
        published: what the table says.
        reading: ``own``, the stream's own scenario; ``class`` or ``task``, the same run read so.
        tried: what was tried where the value is not reached.
    """

    method: str
    setting: str
    recipe: Recipe
    published: Published
    reading: Literal["own", "class", "task"] = "own"
    tried: str = ""


@dataclass(frozen=True)
class Table:
    """A published table: the name of its files, where it is from, and its cells."""

    name: str
    source: str
    cells: tuple[Cell, ...]

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Every run that a cell reads, once, in the order of the cells."""
        return tuple({cell.recipe.name: cell.recipe for cell in self.cells}.values())


def _last_wins(overrides: Sequence[str]) -> list[str]:
    return list({text.partition("=")[0]: text for text in overrides}.values())


def chosen(recipes: Sequence[Recipe], patterns: Sequence[str]) -> list[Recipe]:
    """The recipes that a pattern names, such as ``lwf-*``; all if there is none.

    Raises:
        SystemExit: for a pattern that names none.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatch(recipe.name, pattern) for recipe in recipes):
            raise SystemExit(f"nothing is called {pattern!r}; there are {', '.join(r.name for r in recipes)}")
    return [
        recipe
        for recipe in recipes
        if not patterns or any(fnmatch.fnmatch(recipe.name, pattern) for pattern in patterns)
    ]
