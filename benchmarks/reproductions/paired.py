"""Runs by name and seed that survive being killed, and what their scores are, alone and paired by seed."""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import load, run

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.statistics import t_interval

__all__ = ["LEAN", "Runs", "arguments", "shown"]

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
SINCE = {"training.matmul": "highest"}
"""Keys that came later, with the value of what was done before: results from then stand."""
LEAN = tuple(
    f"evaluation.{name}=false"
    for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
)

Scores = Mapping[str, Any]
Read = Callable[[Mapping[str, Any]], Scores]


def scores_of(results: Mapping[str, Any]) -> Scores:
    """What is kept of a run where nothing else is asked for."""
    return {
        "accuracy": results["average_accuracy"],
        "learning": results["learning_accuracy"],
        "forgetting": results["forgetting"],
        "seconds": round(results["cost"]["training_seconds"], 2),
    }


class Runs:
    """A JSON file ``{name: {settings, seeds: {seed: scores}}}``, written whole after every run.

    What was run with other settings under the same name is forgotten.
    """

    def __init__(self, file: Path) -> None:
        self.file = file.resolve()
        self.found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def measure(
        self,
        name: str,
        config: Path,
        overrides: Sequence[str],
        seed: int,
        read: Read = scores_of,
        by_seed: Sequence[str] = (),
    ) -> None:
        """One run, unless it is there; ``read`` says what is kept of its results.

        ``by_seed`` are the settings that each seed has its own of: they do not tell one table from another.
        """
        settings = flatten(load(config, overrides).settings)
        if self.missing(name, {key: settings[key] for key in settings if key not in by_seed}, seed):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.keep(name, seed, read(run(load(config, [*overrides, *LEAN, f"seed={seed}"]))))

    def missing(self, name: str, settings: Mapping[str, Any], seed: int) -> bool:
        """Whether a seed has not been run with these settings; results of others are dropped."""
        read: dict[str, Any] = json.loads(json.dumps(settings))
        now = _deciding(read)
        if _deciding(self.found.get(name, {}).get("settings", {})) != now:
            self.found[name] = {"settings": now, "seeds": {}}
        return str(seed) not in self.found[name]["seeds"]

    def keep(self, name: str, seed: int, scores: Scores) -> None:
        """Write down what a run gave."""
        self.found[name]["seeds"][str(seed)] = dict(scores)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self.file)
        print(f"{name} seed {seed}: {json.dumps(scores)}", flush=True)

    def table(self, text: str) -> None:
        """Write the table beside the runs, and show it."""
        self.file.with_suffix(".md").write_text(text, encoding="utf-8")
        print(text)

    def seeds(self, name: str) -> Mapping[str, Scores]:
        """The scores of each seed."""
        seeds: Mapping[str, Mapping[str, Any]] = self.found.get(name, {}).get("seeds", {})
        return seeds

    def scores(self, name: str, score: str) -> list[float]:
        """A score of each seed, in percent."""
        return [100 * one[score] for one in self.seeds(name).values()]

    def gaps(self, name: str, other: str, score: str = "accuracy") -> list[float]:
        """``name`` less ``other`` on the seeds that both have, in percent."""
        ours, theirs = self.seeds(name), self.seeds(other)
        return [100 * (ours[seed][score] - theirs[seed][score]) for seed in ours if seed in theirs]


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in settings.items()
        if not key.startswith(OUTSIDE) and (key, value) not in SINCE.items()
    }


def shown(values: Sequence[float], *, sign: bool = False) -> str:
    """Mean and half of the 95 % interval; nothing for no values."""
    if not values:
        return ""
    interval = t_interval(values)
    half = "" if interval.half_width is None else f" ± {interval.half_width:.1f}"
    return f"{interval.mean:{'+' if sign else ''}.1f}{half}"


def arguments(
    description: str | None, example: str, out: Path
) -> tuple[argparse.Namespace, list[str], list[str]]:
    """A table's command line: ``seeds`` and ``out``, the overrides, and patterns of the runs' names."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=example)
    parser.add_argument("--out", type=Path, default=out, help="folder of the results")
    words, more = parser.parse_known_args()
    given = [*words.overrides, *words.only, *more]
    patterns = [text for text in words.only if "=" not in text] or ["*"]
    return words, [text for text in given if "=" in text], patterns
