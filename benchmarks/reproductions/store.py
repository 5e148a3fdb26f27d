"""Results that survive: one file a table, rewritten whole after every run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lifelong_kd

__all__ = ["Store"]

CLASS, TASK = "class", "task"


class Store:
    """Scores by recipe and seed.

    A recipe's runs are forgotten when a setting they were made with has another value now or is gone. A setting
    that did not exist then does not count, as an option that is added leaves what was there before as it was.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.recipes: dict[str, dict[str, Any]] = {}
        if file.exists():
            self.recipes = json.loads(file.read_text(encoding="utf-8"))

    def current(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Whether what is kept of a recipe was made with these settings."""
        known = self.recipes.get(name)
        now = _as_read(settings)
        return known is not None and all(
            key in now and now[key] == value for key, value in known["settings"].items()
        )

    def seeds(self, name: str) -> dict[str, dict[str, Any]]:
        """What each seed of a recipe gave."""
        found: dict[str, dict[str, Any]] = self.recipes.get(name, {}).get("seeds", {})
        return found

    def add(self, name: str, settings: Mapping[str, Any], seed: int, results: Mapping[str, Any]) -> None:
        """Keep a run, and write the file."""
        if not self.current(name, settings):
            self.recipes[name] = {"settings": _as_read(settings), "seeds": {}}
        readings = results["readings"]
        self.recipes[name]["seeds"][str(seed)] = {
            "own": results["average_accuracy"],
            CLASS: readings[CLASS]["average_accuracy"],
            TASK: readings[TASK]["average_accuracy"],
            "forgetting": results["forgetting"],
            "seconds": round(results["cost"]["training_seconds"], 1),
            "version": lifelong_kd.__version__,
        }
        self.write()

    def join(self, other: Store) -> None:
        """Take over the runs of another store; nothing is written.

        Raises:
            ValueError: if a recipe was made with other settings there, or a seed gave something else.
        """
        for name, theirs in other.recipes.items():
            ours = self.recipes.setdefault(name, {"settings": theirs["settings"], "seeds": {}})
            if ours["settings"] != theirs["settings"]:
                differ = sorted(
                    key
                    for key in {**ours["settings"], **theirs["settings"]}
                    if ours["settings"].get(key) != theirs["settings"].get(key)
                )
                raise ValueError(f"{name}: {other.file} and {self.file} differ in {', '.join(differ)}")
            for seed, found in theirs["seeds"].items():
                if any(ours["seeds"].get(seed, found)[key] != found[key] for key in ("own", CLASS, TASK)):
                    raise ValueError(
                        f"{name}: {other.file} and {self.file} say different things of seed {seed}"
                    )
            ours["seeds"] = dict(sorted({**ours["seeds"], **theirs["seeds"]}.items(), key=_number))

    def write(self) -> None:
        """The whole file or none of it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.recipes, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self.file)


def _number(item: tuple[str, object]) -> int:
    return int(item[0])


def _as_read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As the file gives them back: tuples are lists there."""
    read: dict[str, Any] = json.loads(json.dumps(settings))
    return read
