"""What the trackers are told of a task and of a round, under their names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lifelong_kd.rounds.base import Round
from lifelong_kd.training.results import Ledger

__all__ = ["logged", "round_line", "round_values"]

NOT_NUMBERS = ("task", "phases", "rounds")


def logged(
    entry: Mapping[str, Any],
    ledger: Ledger,
    found: Mapping[str, Any],
    summaries: Mapping[str, Mapping[str, float | None]],
) -> dict[str, Any]:
    """An entry of the per-task record and the scores so far.

    Args:
        entry: the record of a task.
        ledger: with the matrices so far.
        found: what each family found in this task; it is in ``entry``, too.
        summaries: the scores so far of each family.
    """
    matrix = ledger.readings["own"].to_list()
    values: dict[str, Any] = {
        f"task/{name}": value
        for name, value in entry.items()
        if name not in NOT_NUMBERS and name not in found
    }
    values |= {f"phase/{name}": value for name, value in entry.get("phases", {}).items()}
    values["task/classes"] = ", ".join(str(name) for name in entry["classes"])
    values |= {f"task/accuracy/{number}": value for number, value in enumerate(matrix[-1])}
    values |= {f"score/{name}": value for name, value in ledger.scores().items()}
    for family, scores in summaries.items():
        values |= {f"score/{family}/{name}": value for name, value in scores.items()}
    for family, what in found.items():
        values |= {f"task/{family}/{name}": value for name, value in numbers(what)}
    if "rounds" in entry:
        values["task/rounds"] = len(entry["rounds"])
    return values


def numbers(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The single numbers in what a family found, by their path; lists are for the record alone."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", value


def round_values(done: Round, seconds: float) -> dict[str, Any]:
    """A round's figures and what was decided."""
    figures, proposal = done.figures, done.proposal
    values: dict[str, Any] = {
        "round/index": done.index,
        "round/kept": int(done.kept),
        "round/seconds": seconds,
    }
    for source, readings in (("validation", figures.validation), ("memory", figures.memory)):
        if readings:
            values[f"round/{source}/average"] = figures.average(source)  # type: ignore[arg-type]
            values[f"round/{source}/old"] = figures.old(source)  # type: ignore[arg-type]
    if figures.validation:
        values["round/validation/new"] = figures.new()
    if figures.train is not None:
        values["round/train/new"] = figures.train.accuracy
    if figures.generator is not None and math.isfinite(figures.generator):
        values["round/generator"] = figures.generator
    values["round/lr"] = proposal.lr
    values["round/generation"] = proposal.generation
    values |= {f"round/factor/{name}": factor for name, factor in proposal.factors.items()}
    values |= {f"round/temperature/{name}": value for name, value in proposal.temperatures.items()}
    return {name: value for name, value in values.items() if value is not None}


def round_line(task: int, done: Round, more: bool) -> str:
    """A round in a line, for whoever watches."""
    parts = [done.proposal.why or "as configured"]
    figures = done.figures
    if done.diverged:
        parts.append("diverged")
    elif figures.validation:
        parts.append(f"validation new {100 * figures.new():.2f}")
        old = figures.old()
        if old is not None:
            parts[-1] += f", old {100 * old:.2f}"
    elif figures.memory and (old := figures.old("memory")) is not None:
        parts.append(f"memory old {100 * old:.2f}")
    if figures.generator is not None and not done.diverged:
        parts.append(f"generator {figures.generator:.4g}")
    if done.pruned and not done.diverged:
        parts.append("broken off")
    outcome = "kept" if done.kept else "rolled back"
    end = "" if more else "; done"
    return f"  task {task} round {done.index}: {'; '.join(parts)} -> {outcome}: {done.why}{end}"
