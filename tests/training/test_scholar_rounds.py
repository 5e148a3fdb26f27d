"""Rounds of a generator and its solver: where they go on, and what is kept and rolled back."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.model.freeze import digest
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.rounds.scholar import Scholar
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.stopping import Stop
from lifelong_kd.tracking.jsonl import JsonlTracker, read
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.interrupt import Interrupted
from tests.training.gaussians import Gaussians, replaying


class GoesOn(Controller):
    """Rounds of one epoch, each from where the last one ended; keeps those whose numbers are given."""

    looks = frozenset({"validation", "generator"})
    goes_on = True

    def __init__(self, rounds: int = 2, keep: tuple[int, ...] = (0, 1)) -> None:
        self.rounds, self.keep = rounds, keep
        self.views: list[View] = []

    def first(self, view: View) -> Proposal:
        return Proposal(epochs=1, why="the first")

    def judge(self, view: View) -> Verdict:
        self.views.append(view)
        done = len(view.rounds)
        more = Proposal(start="last", epochs=1, why="on") if done < self.rounds else None
        return Verdict(done - 1 in self.keep, more, "as written")


def end(experiment: Experiment, folder: Path, *, resume: bool = False) -> Any:
    results = experiment.run(folder, resume=resume)
    return digest(experiment.engine.model), results["accuracy_matrix"], told(experiment)


def told(experiment: Experiment) -> list[Any]:
    """What the generator is, if there is one."""
    assert experiment.plugin is not None
    made = experiment.plugin.strategy.generator
    if not isinstance(made, Gaussians):
        return []
    return [made.steps, [[c, *[tensor.tolist() for tensor in made.frozen[c]]] for c in sorted(made.frozen)]]


@pytest.mark.parametrize(
    "make", [replaying, lambda: derpp(memory=24, memory_batch=8)], ids=["generator", "memory"]
)
def test_two_rounds_that_go_on_are_one_of_twice_the_length(make: Any, tmp_path: Path) -> None:
    """Bit for bit: student, momentum, generator, reservoir and random draws go on."""
    controller = GoesOn()
    controller.looks = controller.looks if make is replaying else frozenset({"validation"})
    twice = end(small_experiment(make(), controller=controller), tmp_path / "twice")
    assert twice == end(small_experiment(make(), epochs=2), tmp_path / "long")


def test_the_kept_round_takes_the_generator_with_it(tmp_path: Path) -> None:
    """Of three rounds the second is kept: solver and generator end as after two epochs."""
    controller = GoesOn(rounds=3, keep=(0, 1))
    rolled = end(small_experiment(replaying(), controller=controller), tmp_path / "rolled")
    assert rolled == end(small_experiment(replaying(), epochs=2), tmp_path / "long")
    assert rolled[2][0] == 18  # three tasks, two epochs of three steps in each


@pytest.mark.parametrize("axis", ["iteration", "evaluation"])
def test_stopped_inside_a_round_that_went_on(axis: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"controller": Scholar(budget=3, min_delta=0.0), "epochs": 2}
    whole = end(small_experiment(replaying(), **options), tmp_path / "whole")
    with contextlib.suppress(Interrupted):
        small_experiment(replaying(), trackers=[Stop(axis)], **options).run(tmp_path / "stopped")
    assert end(small_experiment(replaying(), **options), tmp_path / "stopped", resume=True) == whole


def test_the_score_is_that_of_the_validation_data_and_is_told(tmp_path: Path) -> None:
    controller = GoesOn()
    experiment = small_experiment(replaying(), controller=controller, trackers=[JsonlTracker()])
    results = experiment.run(tmp_path / "run")
    last = controller.views[-1].last
    assert experiment.plugin is not None
    data = experiment.asker.data("valid", 2)
    generator = experiment.plugin.strategy.generator
    assert generator is not None
    expected = generator.score(data.raw(torch.arange(len(data.targets))))
    assert last.figures.generator == pytest.approx(expected)
    assert [one["generator"] for one in results["per_task"][2]["rounds"]][-1] == pytest.approx(expected)
    logged = [line["values"] for line in read(tmp_path / "run") if line["axis"] == "evaluation"]
    assert [values["round/generator"] for values in logged][-1] == pytest.approx(expected)


def test_a_generator_without_a_score_and_one_that_diverges(tmp_path: Path) -> None:
    controller = GoesOn()
    strategy = replaying()
    strategy.generator.score = lambda raw: None  # type: ignore[union-attr, method-assign]
    results = small_experiment(strategy, controller=controller, epochs=1).run(tmp_path / "none")
    assert all(view.last.figures.generator is None for view in controller.views)
    assert "generator" not in results["per_task"][0]["rounds"][0]
    broken = replaying()
    scores = iter([1.0, math.nan])
    broken.generator.score = lambda raw: next(scores, 0.5)  # type: ignore[union-attr, method-assign]
    rounds = small_experiment(broken, controller=Scholar(), epochs=1).run(tmp_path / "nan")["per_task"][0][
        "rounds"
    ]
    assert [done["diverged"] for done in rounds] == [False, True]
    assert [done["generator"] for done in rounds] == [1.0, None]


class Wrong(GoesOn):
    def __init__(self, first: Proposal) -> None:
        super().__init__()
        self.proposal = first

    def first(self, view: View) -> Proposal:
        return self.proposal


class NeverSays(GoesOn):
    goes_on = False


def test_what_cannot_go_on(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="go on from the last round, and there is none"):
        small_experiment(replaying(), controller=Wrong(Proposal(start="last"))).run(tmp_path / "a")
    with pytest.raises(RunFailed, match="its class does not say `goes_on = True`"):
        small_experiment(replaying(), controller=NeverSays()).run(tmp_path / "b")


def test_a_scholar_needs_a_generator_and_validation_data() -> None:
    with pytest.raises(
        BadCall, match="Scholar looks at the generator, and the strategy has none: take one that"
    ):
        small_experiment(naive(), controller=Scholar())
    with pytest.raises(BadCall, match="the stream keeps none"):
        small_experiment(replaying(), controller=Scholar(), validation=0.0)
