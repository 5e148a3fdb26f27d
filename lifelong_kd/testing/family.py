"""What every family of scores promises, shown on a small stream in a few seconds."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.types import Scenario
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.freeze import digest
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.strategy import registry as strategies
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.expect import expect
from lifelong_kd.testing.overheard import Overheard
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.stopping import Stop, quiet
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.families.base import Family, Found
from lifelong_kd.training.interrupt import Interrupted

__all__ = ["check_family"]

NAME = "checked"

Build = Callable[..., Experiment]


def check_family(
    make: Callable[[], Family],
    *,
    scenario: Scenario = "class",
    strategy: Callable[[], Strategy] | None = None,
    validation: float = 0.2,
) -> None:
    """Check that a family of scores disturbs nothing, repeats, resumes and finds plain data in any kind of run.

    The run with it ends with the same student as one without it; two runs find the same, but for what the family names
    in ``varies``; so does one that was stopped inside a task and resumed, and one in which each task had a second
    round, whichever was kept. It also measures a strategy of Avalanche's own, and a stream without validation data,
    unless it refuses that before anything is trained.

    Args:
        make: makes a fresh family.
        scenario: the scenario of the stream that it is checked on.
        strategy: makes the strategy that is measured; one with a teacher and a memory if not given.
        validation: share of the training data that is kept out of training.

    Raises:
        AssertionError: saying which promise is broken.

    Example:
        >>> from lifelong_kd.training.families.calibration import Calibration
        >>> check_family(Calibration, scenario="task")
    """
    build = partial(small_experiment, scenario=scenario, validation=validation)
    ours = strategy or _usual
    with tempfile.TemporaryDirectory() as folder, quiet():
        place = Path(folder)
        whole = _run(build, ours, make, place / "whole")
        name, varies = whole.name, whole.varies
        missing = varies - set(_names([whole.found, whole.scores]))
        expect(not missing, f"{name}.varies names {', '.join(sorted(missing))}, which it never finds")
        expect(
            whole.end == _end(build(ours()), place / "without"),
            f"a run that {name} measures ends with other weights or accuracies than one without it",
        )
        resumed = _stopped_and_resumed(build, ours, make, place / "stopped")
        try:
            _same(whole, resumed, f"in a run that was stopped inside a task and resumed {name} finds")
        except AssertionError:
            # It may be that no two runs give the same.
            _same(
                whole,
                _run(build, ours, make, place / "again"),
                f"in two runs with the same seed {name} finds",
            )
            raise
        rounds = _run(partial(build, controller=_TriesTwice()), ours, make, place / "rounds")
        rounds = replace(rounds, traces={})  # those of the last round, which need not be the kept one
        _same(whole, rounds, f"in a run with rounds that were rolled back {name} finds")
        naive = strategies.get("avalanche/naive")
        foreign = _run(build, naive, make, place / "foreign")
        expect(
            foreign.end == _end(build(naive()), place / "foreign_without"),
            f"a run of Avalanche's Naive that {name} measures ends otherwise than one without it",
        )
        if validation:
            with contextlib.suppress(BadCall):
                bare = partial(small_experiment, scenario=scenario, validation=0.0, epochs=1)
                _run(bare, ours, make, place / "bare")


@dataclass(frozen=True)
class _Measured:
    """A run and what the family found in it; ``traces`` by task, of the tasks that were trained here."""

    name: str
    varies: frozenset[str]
    end: Any
    found: list[Found]
    scores: Mapping[str, Any]
    traces: Mapping[int, list[Found]]


def _usual() -> Strategy:
    replay = Rehearse(TaskLoss("all"), source="memory")
    return Strategy(
        terms={"kd": Distill(Snapshot(), Kd()), "replay": replay},
        memory=Reservoir(capacity=24),
        memory_batch=8,
    )


class _TriesTwice(Controller):
    """Two rounds a task, one as configured, which is kept: in the first task and every other one the first of them."""

    looks = frozenset({"train"})

    def first(self, view: View) -> Proposal:
        return self._proposal(view, configured=view.task % 2 == 0)

    def judge(self, view: View) -> Verdict:
        first = view.task % 2 == 0
        if len(view.rounds) == 1:
            return Verdict(True, self._proposal(view, configured=not first), "the first")
        return Verdict(not first, None, "as configured")

    def _proposal(self, view: View, *, configured: bool) -> Proposal:
        return (
            Proposal(why="as configured") if configured else Proposal(lr=3 * view.lr, epochs=1, why="another")
        )


def _end(experiment: Experiment, folder: Path, *, resume: bool = False) -> Any:
    results = experiment.run(folder, resume=resume)
    return digest(experiment.engine.model), results["accuracy_matrix"]


def _run(
    build: Build,
    strategy: Callable[[], Any],
    make: Callable[[], Family],
    folder: Path,
    *,
    resume: bool = False,
) -> _Measured:
    watched = Overheard(make())
    experiment = build(strategy(), families={NAME: watched})
    try:
        end = _end(experiment, folder, resume=resume)
    except RunFailed as error:
        if isinstance(error.__cause__, AssertionError):
            raise error.__cause__ from None
        raise
    found = experiment.ledger.found[NAME]
    varies = frozenset(watched.family.varies)
    return _Measured(
        watched.name, varies, end, found, experiment.families.summaries().get(NAME, {}), watched.traces
    )


def _stopped_and_resumed(
    build: Build, strategy: Callable[[], Any], make: Callable[[], Family], folder: Path
) -> _Measured:
    often = partial(build, checkpoint_every=1)
    with contextlib.suppress(Interrupted):
        often(strategy(), families={NAME: Overheard(make())}, trackers=[Stop("iteration")]).run(folder)
    return _run(often, strategy, make, folder, resume=True)


def _same(whole: _Measured, other: _Measured, where: str) -> None:
    expect(other.end == whole.end, f"{where.rpartition(' ')[0]} the student ends otherwise")
    traces = {task: whole.traces[task] for task in other.traces}
    pairs = {
        "during training": (traces, other.traces),
        "after the tasks": (whole.found, other.found),
        "as its scores": (whole.scores, other.scores),
    }
    for what, (one, two) in pairs.items():
        path = _differing(one, two, whole.varies, "")
        expect(path is None, f"{where} something else {what}, at {path}; a clock's say is named in `varies`")


def _differing(one: Any, other: Any, varies: frozenset[str], path: str) -> str | None:
    """Where two nested values differ first, what varies aside."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = [name for name in {**one, **other} if name not in varies]
        missing = [name for name in names if name not in one or name not in other]
        if missing:
            return f"{path}/{missing[0]}"
        parts = ((name, one[name], other[name]) for name in names)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = ((str(number), *both) for number, both in enumerate(zip(one, other, strict=True)))
    else:
        return None if one == other else path
    return next(filter(None, (_differing(a, b, varies, f"{path}/{name}") for name, a, b in parts)), None)


def _names(value: Any) -> Iterator[str]:
    """Every name in nested data."""
    if isinstance(value, Mapping):
        yield from value
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _names(part)
