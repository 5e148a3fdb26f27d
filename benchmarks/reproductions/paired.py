"""Runs by name and seed that survive being killed, and what their scores are, alone and paired by seed."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import load, run

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.statistics import t_interval

__all__ = ["Runs", "shown"]

# What changes no number of a run, or where its data lie.
OUTSIDE = (
    "seed",
    "name",
    "device",
    "imports",
    "tracking",
    "evaluation",
    "stream.root",
    "training.threads",
)
LEAN = tuple(
    f"evaluation.{name}=false"
    for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
)


class Runs:
    """A JSON file ``{name: {settings, seeds: {seed: scores}}}``, written whole after every run.

    What was run with other settings under the same name is forgotten.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.parent.mkdir(parents=True, exist_ok=True)

    def measure(self, name: str, config: Path, overrides: Sequence[str], seed: int) -> None:
        """One run, unless it is there."""
        settings = flatten(load(config, overrides).settings)
        kept = {key: value for key, value in settings.items() if not key.startswith(OUTSIDE)}
        now = json.loads(json.dumps(kept))
        if self.found.get(name, {}).get("settings") != now:
            self.found[name] = {"settings": now, "seeds": {}}
        if str(seed) in self.found[name]["seeds"]:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = run(load(config, [*overrides, *LEAN, f"seed={seed}"]))
        scores = {
            "accuracy": results["average_accuracy"],
            "learning": results["learning_accuracy"],
            "forgetting": results["forgetting"],
            "seconds": round(results["cost"]["training_seconds"], 2),
        }
        self.found[name]["seeds"][str(seed)] = scores
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self.file)
        print(
            f"{name} seed {seed}: accuracy {100 * scores['accuracy']:.2f}, forgetting"
            f" {100 * scores['forgetting']:.2f}, {scores['seconds']:.1f} s",
            flush=True,
        )

    def seeds(self, name: str) -> Mapping[str, Mapping[str, float]]:
        """The scores of each seed."""
        seeds: Mapping[str, Mapping[str, float]] = self.found.get(name, {}).get("seeds", {})
        return seeds

    def scores(self, name: str, score: str) -> list[float]:
        """A score of each seed, in percent."""
        return [100 * one[score] for one in self.seeds(name).values()]

    def gaps(self, name: str, other: str, score: str = "accuracy") -> list[float]:
        """``name`` less ``other`` on the seeds that both have, in percent."""
        ours, theirs = self.seeds(name), self.seeds(other)
        return [100 * (ours[seed][score] - theirs[seed][score]) for seed in ours if seed in theirs]


def shown(values: Sequence[float], *, sign: bool = False) -> str:
    """Mean and half of the 95 % interval; nothing for no values."""
    if not values:
        return ""
    interval = t_interval(values)
    half = "" if interval.half_width is None else f" ± {interval.half_width:.1f}"
    return f"{interval.mean:{'+' if sign else ''}.1f}{half}"
