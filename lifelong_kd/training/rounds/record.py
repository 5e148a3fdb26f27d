"""Rounds as plain data: for a checkpoint with everything, for ``results.json`` in short."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lifelong_kd.rounds.base import Figures, Outcome, Proposal, Reading, Round

__all__ = ["outcome_from", "outcome_to", "reached", "round_from", "round_to", "short"]


def _reading(reading: Reading | None) -> list[Any] | None:
    return None if reading is None else [reading.accuracy, reading.loss, reading.right]


def _read(saved: Any) -> Reading | None:
    return None if saved is None else Reading(float(saved[0]), saved[1], saved[2])


def figures_to(figures: Figures) -> dict[str, Any]:
    """Figures as numbers, tensors and containers of them."""
    return {
        "task": figures.task,
        "train": _reading(figures.train),
        "validation": {task: _reading(reading) for task, reading in figures.validation.items()},
        "memory": {task: _reading(reading) for task, reading in figures.memory.items()},
        "generator": figures.generator,
    }


def figures_from(saved: Mapping[str, Any]) -> Figures:
    """What :func:`figures_to` gave."""
    by_task = {
        name: {int(task): reading for task, one in saved[name].items() if (reading := _read(one)) is not None}
        for name in ("validation", "memory")
    }
    return Figures(
        int(saved["task"]),
        _read(saved["train"]),
        by_task["validation"],
        by_task["memory"],
        saved.get("generator"),
    )


def round_to(done: Round) -> dict[str, Any]:
    """A round as numbers, tensors and containers of them."""
    return {
        "index": done.index,
        "proposal": asdict(done.proposal),
        "figures": figures_to(done.figures),
        "curve": list(done.curve),
        "pruned": done.pruned,
        "diverged": done.diverged,
        "kept": done.kept,
        "why": done.why,
    }


def round_from(saved: Mapping[str, Any]) -> Round:
    """What :func:`round_to` gave."""
    return Round(
        index=int(saved["index"]),
        proposal=Proposal(**saved["proposal"]),
        figures=figures_from(saved["figures"]),
        curve=tuple(saved["curve"]),
        pruned=bool(saved["pruned"]),
        diverged=bool(saved["diverged"]),
        kept=bool(saved["kept"]),
        why=str(saved["why"]),
    )


def outcome_to(outcome: Outcome) -> dict[str, Any]:
    """An earlier task's outcome as numbers, tensors and containers of them."""
    return {
        "task": outcome.task,
        "proposal": asdict(outcome.proposal),
        "figures": figures_to(outcome.figures),
        "rounds": outcome.rounds,
    }


def outcome_from(saved: Mapping[str, Any]) -> Outcome:
    """What :func:`outcome_to` gave."""
    return Outcome(
        int(saved["task"]),
        Proposal(**saved["proposal"]),
        figures_from(saved["figures"]),
        int(saved["rounds"]),
    )


def short(done: Round, seconds: float) -> dict[str, Any]:
    """A round for people: what was tried where it differs from the configuration, what came of it, and why."""
    default = asdict(Proposal())
    tried = {key: value for key, value in asdict(done.proposal).items() if value != default[key]}
    figures = done.figures
    score = figures.generator
    generator = {} if score is None else {"generator": score if math.isfinite(score) else None}
    return {
        "round": done.index,
        "tried": {key: value for key, value in tried.items() if key != "why"},
        "reason": done.proposal.why,
        "train": figures.train.accuracy if figures.train is not None else None,
        "validation": {str(task): reading.accuracy for task, reading in figures.validation.items()},
        "memory": {str(task): reading.accuracy for task, reading in figures.memory.items()},
        **generator,
        "pruned": done.pruned,
        "diverged": done.diverged,
        "kept": done.kept,
        "verdict": done.why,
        "seconds": seconds,
    }


def reached(task: int, done: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Accuracy on the new task and mean accuracy on the old ones of a round as :func:`short` gave it.

    On validation data, or on the memory where there are none.
    """
    readings = {int(number): value for number, value in (done["validation"] or done["memory"]).items()}
    old = [value for number, value in readings.items() if number < task]
    return readings.get(task), sum(old) / len(old) if old else None
