"""A round whose numbers are no longer finite: the controller is told, it is never kept, and nothing of it stays."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.core.errors import Diverged, RunFailed
from lifelong_kd.memory import registry as memories
from lifelong_kd.model.freeze import digest
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.rounds.born_again import BornAgain
from lifelong_kd.rounds.plasticity import PlasticityStability
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.bic import bic
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.tracking.base import Tracker
from lifelong_kd.tracking.jsonl import JsonlTracker, read
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.interrupt import Interrupted
from lifelong_kd.training.keeper import Keeper

WILD = 1e30


class Rates(Controller):
    """One learning rate after the other; what did not diverge is kept if it is the best or its number is given."""

    def __init__(self, *rates: float, keep: tuple[int, ...] | None = None) -> None:
        self.rates = rates
        self.keep = keep
        self.views: list[View] = []

    def first(self, view: View) -> Proposal:
        return Proposal(lr=self.rates[0])

    def judge(self, view: View) -> Verdict:
        self.views.append(view)
        done = len(view.rounds)
        better = view.best is None or view.last.figures.new() > view.best.figures.new()
        keep = better and not view.last.diverged if self.keep is None else done - 1 in self.keep
        following = Proposal(lr=self.rates[done]) if done < len(self.rates) else None
        return Verdict(keep, following, "diverged" if view.last.diverged else "as it is")


def end(experiment: Experiment, folder: Path, *, resume: bool = False) -> tuple[str, Any]:
    results = experiment.run(folder, resume=resume)
    return digest(experiment.engine.model), results["accuracy_matrix"]


def without_times(folder: Path) -> Any:
    entries = json.loads((folder / "results.json").read_text())["per_task"]
    for entry in entries:
        del entry["seconds"]
        entry["rounds"] = [{**done, "seconds": 0.0} for done in entry["rounds"]]
    return entries


MAKERS: dict[str, Callable[[], Strategy]] = {
    "naive": naive,
    "lwf": lwf,
    "derpp": lambda: derpp(memory=20),
    "icarl": lambda: icarl(memory=12),
    "bic": lambda: bic(memory=24),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_between_two_rounds_it_leaves_no_trace(tmp_path: Path, make: Callable[[], Strategy]) -> None:
    def run(name: str, *rates: float, keep: tuple[int, ...] | None = None) -> tuple[str, Any]:
        return end(small_experiment(make(), controller=Rates(*rates, keep=keep)), tmp_path / name)

    assert run("three", 0.05, WILD, 0.01, keep=(0, 2)) == run("two", 0.05, 0.01, keep=(0, 1))
    # As the last one, after the kept one, and as the first.
    assert run("last", 0.05, WILD) == run("alone", 0.05) == run("first", WILD, 0.05)


@pytest.mark.parametrize("train", ["all", "head"])
def test_a_phase_after_the_training_that_diverges_makes_a_bad_round(tmp_path: Path, train: Any) -> None:
    class Now(BalancedFineTuning):
        """Diverges the first time in each task, if it is ``wild``."""

        wild = False
        last = 0

        def run(self, stage: Any) -> None:
            self.lr = math.inf if self.wild and stage.task.index > self.last else 0.01
            self.last = stage.task.index
            super().run(stage)

    def run(name: str, *rates: float, wild: bool) -> tuple[str, Any]:
        phase = Now(epochs=2, train=train)
        phase.wild = wild
        strategy = Strategy(
            memory=memories.get("herding")(total=12), train_on="new_and_memory", phases=[phase]
        )
        return end(small_experiment(strategy, controller=Rates(*rates)), tmp_path / name)

    assert run("second", 0.05, 0.05, wild=True) == run("only", 0.05, wild=False)
    entries = without_times(tmp_path / "second")
    assert [entry["kept_round"] for entry in entries] == [0, 1, 1]
    assert [done["diverged"] for done in entries[1]["rounds"]] == [True, False]


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("checkpoint_every", [None, 1])
def test_what_the_controller_is_told(tmp_path: Path, scenario: Any, checkpoint_every: int | None) -> None:
    controller = Rates(0.05, WILD, 0.01)
    controller.looks = frozenset({"train", "validation", "memory"})
    experiment = small_experiment(
        derpp(memory=20), scenario=scenario, controller=controller, checkpoint_every=checkpoint_every
    )
    results = experiment.run(tmp_path / "run")
    for task in range(3):
        good, bad, again = controller.views[3 * task + 2].rounds
        assert (good.diverged, bad.diverged, again.diverged) == (False, True, False)
        assert (good.pruned, bad.pruned, again.pruned) == (False, True, False)
        assert not bad.kept and bad.why == "diverged"
        assert bad.figures.task == task and bad.figures.train is not None and good.figures.train is not None
        pairs = [(bad.figures.train, good.figures.train)]
        assert bad.figures.validation.keys() == good.figures.validation.keys() == set(range(task + 1))
        pairs += [(bad.figures.validation[j], good.figures.validation[j]) for j in range(task + 1)]
        for wrong, right in pairs:
            assert wrong.accuracy == 0.0 and wrong.loss == math.inf
            assert wrong.right.dtype == right.right.dtype and wrong.right.shape == right.right.shape
            assert wrong.right.device == right.right.device and not wrong.right.any()
        assert all(one.accuracy == 0.0 and one.samples > 0 for one in bad.figures.memory.values())
        # Its optimiser and its memory were full of NaN.
        assert 0.0 < (again.figures.of("validation").loss or 0.0) < 100.0
        rounds = results["per_task"][task]["rounds"]
        assert [done["diverged"] for done in rounds] == [False, True, False]
        assert rounds[1]["validation"][str(task)] == 0.0


def test_it_is_counted_and_told_as_rolled_back(tmp_path: Path) -> None:
    said: list[str] = []

    class Listens(Tracker):
        def start(self, run: Any) -> None:
            pass

        def log(self, values: Any, axis: Any, step: Any) -> None:
            assert all(not isinstance(v, float) or math.isfinite(v) for v in values.values()), values

        def message(self, text: str) -> None:
            said.append(text)

        def finish(self, status: Any) -> None:
            pass

    trackers = [Listens(), JsonlTracker()]
    experiment = small_experiment(lwf(), controller=Rates(0.05, WILD, 0.01), trackers=trackers)
    cost = experiment.run(tmp_path / "run")["cost"]
    assert cost["rounds"] == 9 and cost["samples"] == 3 * 2 * 48
    assert [line.endswith("as configured; diverged -> rolled back: diverged") for line in said[1::3]] == [
        True
    ] * 3
    lines = read(tmp_path / "run")
    for axis in ("iteration", "epoch"):
        counts = [line[axis] for line in lines]
        assert counts == sorted(counts)
    judged = [line["values"] for line in lines if "round/index" in line["values"]]
    assert [values["round/validation/new"] == 0.0 for values in judged][1::3] == [True] * 3


@pytest.mark.parametrize("rate", [1e25, 3e38])
def test_what_only_the_answers_show(tmp_path: Path, rate: float) -> None:
    """One step a task: its loss is that of the weights before it."""

    def run(name: str, *rates: float, keep: tuple[int, ...] | None = None) -> tuple[str, Any]:
        controller = Rates(*rates, keep=keep)
        return end(small_experiment(lwf(), controller=controller, epochs=1, batch_size=4096), tmp_path / name)

    with pytest.raises(Diverged, match=r"the model's outputs are no longer finite numbers\. Lower"):
        run("alone", rate)
    assert run("three", 0.05, rate, 0.01, keep=(0, 2)) == run("two", 0.05, 0.01, keep=(0, 1))


def test_a_phase_after_the_task_that_diverges(tmp_path: Path) -> None:
    class Wild(BalancedFineTuning):
        """Breaks the student in the second round of each task."""

        calls = 0

        def run(self, stage: Any) -> None:
            super().run(stage)
            self.calls += 1
            if self.calls % 2 == 0:
                for parameter in stage.model.parameters():
                    parameter.data.fill_(math.nan)

    def experiment(*, wild: bool) -> Experiment:
        kind = Wild if wild else BalancedFineTuning
        strategy = icarl(memory=12)
        strategy.phases.append(kind(epochs=1, lr=0.01))
        return small_experiment(strategy, controller=Rates(0.05, 0.01) if wild else Rates(0.05))

    assert end(experiment(wild=True), tmp_path / "wild") == end(experiment(wild=False), tmp_path / "tame")


def test_one_that_prunes_sees_it_too(tmp_path: Path) -> None:
    class Prunes(Rates):
        prunes = True

    controller = Prunes(0.05, 1e25, 0.01)
    small_experiment(lwf(), controller=controller, batch_size=4096).run(tmp_path / "run")
    assert [(done.diverged, len(done.curve)) for done in controller.views[-1].rounds] == [
        (False, 2),
        (True, 0),
        (False, 2),
    ]


@pytest.mark.parametrize("options", [{"early_stopping": 2}, {"lr_schedule": "plateau", "lr_patience": 1}])
def test_under_a_watch(tmp_path: Path, options: dict[str, Any]) -> None:
    def run(name: str, *rates: float, keep: tuple[int, ...]) -> tuple[str, Any]:
        made = small_experiment(lwf(), controller=Rates(*rates, keep=keep), epochs=4, **options)
        return end(made, tmp_path / name)

    assert run("three", 0.05, WILD, 0.2, keep=(0, 2)) == run("two", 0.05, 0.2, keep=(0, 1))


# ---- what cannot be kept ------------------------------------------------------------------------------------------


def test_a_single_round_fails_as_before(tmp_path: Path) -> None:
    from functools import partial

    from lifelong_kd.training.optimizer import sgd

    experiment = small_experiment(lwf())
    experiment.make_optimizer = partial(sgd, lr=WILD)
    for group in experiment.engine.optimizer.param_groups:
        group["lr"] = WILD
    with pytest.raises(
        RunFailed, match=r"^the training loss became .* in task 0, epoch \d. Lower optimizer.lr"
    ):
        experiment.run(tmp_path / "run")


def test_if_no_round_is_left_the_run_fails_and_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(
        Diverged, match=r"^no round of task 0 can be kept: .* in task 0, epoch \d\. Lower optimizer.lr"
    ):
        small_experiment(lwf(), controller=Rates(WILD, 1e25)).run(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
    whole = end(small_experiment(lwf(), controller=Rates(WILD, 0.05)), tmp_path / "whole")
    # Its checkpoint is at the beginning of the second round, whose rate was proposed already.
    with pytest.raises(Diverged, match="no round of task 0 can be kept"):
        small_experiment(lwf(), controller=Rates(WILD, 0.05)).run(tmp_path / "run", resume=True)
    assert whole == end(small_experiment(lwf(), controller=Rates(0.05)), tmp_path / "good")


def test_one_that_insists_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        RunFailed,
        match=r"the controller Rates failed in task 0, round 2: it kept a round that diverged: the training loss",
    ):
        small_experiment(lwf(), controller=Rates(0.05, WILD, keep=(0, 1))).run(tmp_path / "run")


def test_nothing_can_begin_with_it(tmp_path: Path) -> None:
    class Warm(Rates):
        def judge(self, view: View) -> Verdict:
            return Verdict(False, Proposal(start="kept"), "go on from it")

    with pytest.raises(RunFailed, match="start from a kept round, and there is none"):
        small_experiment(lwf(), controller=Warm(WILD)).run(tmp_path / "run")


# ---- stop and resume ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [(0, 1, 0), (1, 1, 1), (1, 2, 0), (2, 2, 1)])
@pytest.mark.parametrize("rates", [(WILD, 0.05, 0.2), (0.05, WILD, 0.2)])
def test_stopped_after_it_the_run_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates: tuple[float, ...], moment: tuple[int, int, int]
) -> None:
    def experiment() -> Experiment:
        return small_experiment(derpp(memory=20), controller=Rates(*rates))

    whole = end(experiment(), tmp_path / "whole")
    save, stopped = Keeper.save, []

    def stop(keeper: Keeper, state: Any) -> None:
        save(keeper, state)
        if state["inside"] and (state["task"], len(state["rounds"]["rounds"]), state["epoch"]) == moment:
            stopped.append(moment)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", stop)
        if rates[moment[1]] == WILD and moment[2]:
            pytest.skip("a round that diverges has no checkpoint of its own")
        with pytest.raises(Interrupted):
            experiment().run(tmp_path / "part")
    assert stopped
    assert end(experiment(), tmp_path / "part", resume=True) == whole
    assert without_times(tmp_path / "part") == without_times(tmp_path / "whole")


# ---- controllers of ours ------------------------------------------------------------------------------------------


def test_plasticity_and_stability_take_the_next_rate(tmp_path: Path) -> None:
    controller = PlasticityStability(
        first_learning_rates=[WILD, 0.05], learning_rates=[1e25, 0.01], rates=None, attempts=2
    )
    results = small_experiment(lwf(), controller=controller).run(tmp_path / "run")
    first, second, third = results["per_task"]
    assert [done["diverged"] for done in first["rounds"]] == [True, False] and first["kept_round"] == 1
    assert first["rounds"][1]["tried"]["lr"] == 0.05
    for entry in (second, third):
        assert [done["diverged"] for done in entry["rounds"]][:2] == [True, False]
        assert entry["kept_round"] >= 2 and entry["rounds"][entry["kept_round"]]["tried"]["lr"] == 0.01


def test_born_again_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    following = BornAgain._next

    def wild(controller: BornAgain, generation: int) -> Proposal:
        from dataclasses import replace

        return replace(following(controller, generation), lr=WILD)

    monkeypatch.setattr(BornAgain, "_next", wild)
    experiment = small_experiment(lwf(), controller=BornAgain(generations=2, noise=0.0))
    assert end(experiment, tmp_path / "run") == end(small_experiment(lwf()), tmp_path / "single")
    assert [done["verdict"] for done in experiment.ledger.per_task[1]["rounds"]] == [
        "the first student",
        "generation 1 diverged",
    ]
