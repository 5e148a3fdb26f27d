"""The validation loss inside a task: when the rate falls, when a task ends, and with which weights."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lifelong_kd.config.load import load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.freeze import digest
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.stream.build import build_stream
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.tracking.base import Tracker
from lifelong_kd.tracking.console import ConsoleTracker
from lifelong_kd.tracking.jsonl import JsonlTracker, read
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.interrupt import Interrupted
from lifelong_kd.training.keeper import Keeper
from lifelong_kd.training.options import TrainingOptions
from lifelong_kd.training.watch import Watch
from tests.training.test_avalanche_strategies import experiment as of_avalanche

NAN, INF = math.nan, math.inf
PATTERNS = {"patterns_per_exp": 8, "sample_size": 8}
PLATEAU: dict[str, Any] = {"lr_schedule": "plateau"}


def model_of(value: float) -> nn.Module:
    made = nn.BatchNorm1d(1)
    with torch.no_grad():
        made.weight.fill_(value)
        made.running_mean.fill_(10 * value)  # type: ignore[union-attr]
    return made


def numbers(model: nn.Module) -> tuple[float, float]:
    state = model.state_dict()
    return float(state["weight"]), float(state["running_mean"])


def watched(losses: Sequence[float | None], **options: Any) -> tuple[list[float], bool, int]:
    """The factor after each epoch, whether the last one ended the task, and the epoch whose weights it ends with."""
    watch = Watch(TrainingOptions(**options))
    factors = []
    for epoch, loss in enumerate(losses, start=1):
        stop = watch.see(epoch, loss, model_of(epoch))
        factors.append(watch.factor)
        assert not stop or epoch == len(losses), f"it ends after epoch {epoch} already"
    last = model_of(len(losses))
    watch.finish(last)
    weight, buffer = numbers(last)
    assert buffer == 10 * weight
    return factors, stop, int(weight)


# ---- by hand ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "stop", "best"),
    [
        ([3, 2, 2.5], False, 2),
        ([3, 2, 2.5, 2.1], True, 2),
        ([3, 2, 2.5, 1.9, 2, 2], True, 4),
        ([1, 1, 1], True, 1),  # as good is no better
        ([1, 2], False, 1),
        ([3, 2, 1], False, 3),
    ],
)
def test_early_stopping(losses: list[float], stop: bool, best: int) -> None:
    assert watched(losses, early_stopping=2) == ([1.0] * len(losses), stop, best)


@pytest.mark.parametrize(
    ("losses", "factors", "stop", "best"),
    [
        ([1, 2, 2, 2, 2], [1, 1, 0.1, 0.1, 0.01], False, 1),
        ([1, 2, 2, 2, 2, 2, 2, 2, 2], [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001], True, 1),
        # What is better begins a new count.
        ([1, 2, 2, 0.5, 2, 2], [1, 1, 0.1, 0.1, 0.1, 0.01], False, 4),
        ([3, 4, 2, 3, 1, 2], [1] * 6, False, 5),
    ],
)
def test_plateau(losses: list[float], factors: list[float], stop: bool, best: int) -> None:
    found = watched(losses, **PLATEAU, lr_patience=2, lr_factor=0.1, lr_min=0.001)
    assert found == (pytest.approx(factors), stop, best)


def test_the_least_rate_is_reached_before_the_task_ends() -> None:
    """0.7 * 0.7 is a little less than 0.49."""
    options = {**PLATEAU, "lr_patience": 1, "lr_factor": 0.7, "lr_min": 0.49}
    assert watched([1, 2, 2, 2], **options) == (pytest.approx([1, 0.7, 0.49, 0.49]), True, 1)
    assert watched([1, 2, 2], **{**options, "lr_min": 0.5}) == ([1, 0.7, 0.7], True, 1)


def test_both_rules_count_for_themselves() -> None:
    options = {**PLATEAU, "lr_patience": 1, "lr_factor": 0.5, "lr_min": 0.0}
    assert watched([1, 2, 2, 2], **options, early_stopping=3) == ([1, 0.5, 0.25, 0.125], True, 1)
    assert watched([1, 2, 0.5, 2, 2], **options, early_stopping=3) == ([1, 0.5, 0.5, 0.25, 0.125], False, 3)
    assert watched([1, *[2] * 30], **options)[1] is False


def test_a_patience_without_its_schedule_is_not_looked_at() -> None:
    assert watched([1, 2, 2, 2], lr_patience=1, early_stopping=9) == ([1.0] * 4, False, 1)


@pytest.mark.parametrize("bad", [None, NAN, INF])
def test_a_loss_that_is_none_counts_as_infinite(bad: float | None) -> None:
    assert watched([bad, bad], early_stopping=2) == ([1, 1], False, 1)
    assert watched([bad, bad, bad], early_stopping=2) == ([1, 1, 1], True, 1)
    assert watched([bad, bad, 1e9, bad, bad], early_stopping=2) == ([1] * 5, True, 3)


def test_it_is_wanted_where_it_has_something_to_do() -> None:
    assert not Watch.wanted(TrainingOptions())
    assert not Watch.wanted(TrainingOptions(lr_schedule="cosine", lr_patience=1))
    assert Watch.wanted(TrainingOptions(early_stopping=1))
    assert Watch.wanted(TrainingOptions(lr_schedule="plateau"))


def test_without_an_epoch_the_model_is_left_alone() -> None:
    model = model_of(7)
    Watch(TrainingOptions(early_stopping=1)).finish(model)
    assert numbers(model) == (7, 70)


def test_what_it_keeps_does_not_follow_the_model() -> None:
    watch, model = Watch(TrainingOptions(early_stopping=1)), model_of(1)
    watch.see(1, 1.0, model)
    model.load_state_dict(model_of(2).state_dict())
    watch.see(2, 2.0, model)
    watch.finish(model)
    assert numbers(model) == (1, 10)


@pytest.mark.parametrize("cut", range(6))
def test_saved_after_any_epoch_it_goes_on(cut: int) -> None:
    options = TrainingOptions(**PLATEAU, lr_patience=1, early_stopping=3)
    losses = [3.0, 2.0, 4.0, 4.0, 1.0, 2.0]
    whole, watch = [], Watch(options)
    for epoch, loss in enumerate(losses, start=1):
        whole.append((watch.see(epoch, loss, model_of(epoch)), watch.factor, watch.best, watch.best_epoch))
    parts, watch = [], Watch(options)
    for epoch, loss in enumerate(losses, start=1):
        if epoch == cut + 1:
            file = io.BytesIO()
            torch.save(watch.state_dict(), file)
            file.seek(0)
            watch = Watch(options)
            watch.load_state_dict(torch.load(file, weights_only=True))
        parts.append((watch.see(epoch, loss, model_of(epoch)), watch.factor, watch.best, watch.best_epoch))
    assert parts == whole
    model = model_of(6)
    watch.finish(model)
    assert numbers(model) == (5, 50)


# ---- in the engine ------------------------------------------------------------------------------------------------


class Rates(Tracker):
    """Keeps the progress that is reported, and the learning rate at that time."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int, int, int]] = []
        self.rates: list[float] = []
        self.experiment: Experiment | None = None

    def start(self, run: Any) -> None:
        pass

    def log(self, values: Any, axis: Any, step: Any) -> None:
        pass

    def progress(self, task: int, epoch: int, epochs: int, done: int, total: int) -> None:
        self.seen.append((task, epoch, epochs, done, total))
        if self.experiment is not None:
            self.rates.append(self.experiment.engine.optimizer.param_groups[0]["lr"])

    def of(self, task: int) -> list[float]:
        return [rate for rate, seen in zip(self.rates, self.seen, strict=True) if seen[0] == task]

    def finish(self, status: Any) -> None:
        pass


class Twice(Controller):
    """Two rounds, of which the second is kept; its proposal is given."""

    def __init__(self, second: Proposal | None = None) -> None:
        self.second = second or Proposal()

    def first(self, view: View) -> Proposal:
        return Proposal()

    def judge(self, view: View) -> Verdict:
        return Verdict(True, self.second if len(view.rounds) == 1 else None, "as written")


def script(monkeypatch: pytest.MonkeyPatch, losses: Sequence[float]) -> None:
    """Let the validation losses of every task, and of every round, be these; as the last one from there on."""
    see = Watch.see

    def told(watch: Watch, epoch: int, loss: float | None, model: nn.Module) -> bool:
        assert loss is not None and math.isfinite(loss)
        return see(watch, epoch, losses[min(epoch, len(losses)) - 1], model)

    monkeypatch.setattr(Watch, "see", told)


def with_rates(strategy: Any, **options: Any) -> tuple[Experiment, Rates]:
    rates = Rates()
    experiment = small_experiment(strategy, trackers=[rates, JsonlTracker()], **options)
    rates.experiment = experiment
    return experiment, rates


def test_the_loss_is_that_of_the_tasks_own_validation_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, float]] = []
    see = Watch.see

    def noted(watch: Watch, epoch: int, loss: float | None, model: nn.Module) -> bool:
        task = experiment.engine.clock.train_exp_counter
        measured = experiment.evaluator.validation(task)
        assert measured is not None and measured.loss == loss and measured.samples == 12
        told.append((task, loss or 0.0))
        return see(watch, epoch, loss, model)

    monkeypatch.setattr(Watch, "see", noted)
    experiment = small_experiment(lwf(), early_stopping=2, epochs=3)
    experiment.run(tmp_path / "run")
    assert {task for task, _ in told} == {0, 1, 2} and len(told) >= 6


def test_a_task_ends_early_with_the_weights_of_its_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, [3, 1, 2, 2.5, 2.5])
    experiment, rates = with_rates(naive(), early_stopping=2, epochs=20)
    results = experiment.run(tmp_path / "early")
    # 48 samples in batches of 16: three steps an epoch, four epochs.
    assert [len(rates.of(task)) for task in range(3)] == [12, 12, 12]
    small_experiment(naive(), epochs=2).run(tmp_path / "two")
    one, other = (
        load_file(tmp_path / name / "checkpoints" / "task_0.safetensors") for name in ("early", "two")
    )
    assert all(torch.equal(one[name], other[name]) for name in other) and one.keys() == other.keys()
    assert results["cost"]["samples"] == 3 * 4 * 48
    assert experiment.ledger.epochs == 12
    lines = read(tmp_path / "early")
    assert [line["epoch"] for line in lines if line["axis"] == "task"] == [4, 8, 12]
    assert [line["iteration"] for line in lines if line["axis"] == "task"] == [12, 24, 36]
    epochs = [line["epoch"] for line in lines]
    assert epochs == sorted(epochs)


def test_without_a_stop_the_best_weights_are_taken_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, [1, 2, 2])
    small_experiment(naive(), early_stopping=9, epochs=3).run(tmp_path / "three")
    monkeypatch.undo()
    small_experiment(naive(), epochs=1).run(tmp_path / "one")
    three, one = (
        load_file(tmp_path / name / "checkpoints" / "task_0.safetensors") for name in ("three", "one")
    )
    assert all(torch.equal(three[name], one[name]) for name in one)


@pytest.mark.parametrize("controller", [None, Twice()], ids=["single", "two rounds"])
def test_the_rate_follows_the_plateau_and_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, controller: Controller | None
) -> None:
    script(monkeypatch, [1, 2, 2, 0.5, 2])
    options = {**PLATEAU, "lr_patience": 1, "lr_factor": 0.1, "epochs": 5}
    experiment, rates = with_rates(lwf(), controller=controller, **options)
    experiment.run(tmp_path / "run")
    once = [0.05] * 6 + [0.005] * 3 + [0.0005] * 6
    for task in range(3):
        assert rates.of(task) == pytest.approx(once if controller is None else once * 2)


def test_a_rounds_own_rate_is_what_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [1, 2, 2])
    options = {**PLATEAU, "lr_patience": 1, "lr_factor": 0.1, "epochs": 3}
    experiment, rates = with_rates(lwf(), controller=Twice(Proposal(lr=0.2)), **options)
    experiment.run(tmp_path / "run")
    expected = [0.05] * 6 + [0.005] * 3 + [0.2] * 6 + [0.02] * 3
    assert [rates.of(task) for task in range(3)] == [pytest.approx(expected)] * 3


def test_the_plateau_ends_a_task_at_its_least_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [1, 2])
    options = {**PLATEAU, "lr_patience": 1, "lr_factor": 0.1, "lr_min": 0.1, "epochs": 9}
    experiment, rates = with_rates(naive(), **options)
    experiment.run(tmp_path / "run")
    assert rates.of(1) == pytest.approx([0.05] * 6 + [0.005] * 3)


@pytest.mark.parametrize(
    ("losses", "steps", "epochs"), [([1, 2], 6, 2), ([2, 1, 3], 7, 3), ([3, 2, 1], 7, 3)]
)
def test_with_iterations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], steps: int, epochs: int
) -> None:
    """Seven steps are three epochs, the last of one step."""
    script(monkeypatch, losses)
    experiment, rates = with_rates(naive(), early_stopping=1, iterations=7)
    results = experiment.run(tmp_path / "run")
    assert [len(rates.of(task)) for task in range(3)] == [steps] * 3
    assert results["cost"]["samples"] == 3 * 16 * steps and experiment.ledger.epochs == 3 * epochs
    assert {(seen[2], seen[4]) for seen in rates.seen} == {(3, 7)}


def test_rounds_of_epochs_after_one_of_iterations(tmp_path: Path) -> None:
    experiment, rates = with_rates(naive(), controller=Twice(Proposal(epochs=2)), iterations=7)
    experiment.run(tmp_path / "run")
    assert [len(rates.of(task)) for task in range(3)] == [7 + 6] * 3


def test_avalanches_own_strategies_end_early_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [2, 1, 3, 3])
    made = of_avalanche("agem", validation=0.25, early_stopping=1, epochs=9, options=PATTERNS)
    results = made.run(tmp_path / "run")
    monkeypatch.undo()
    assert made.ledger.epochs == 2 * 3
    size = sum(len(experience.dataset) for experience in made.stream.benchmark.train_stream)
    assert results["cost"]["samples"] == 3 * size
    two = of_avalanche("agem", validation=0.25, epochs=2, options=PATTERNS)
    two.run(tmp_path / "two")
    one, other = (
        load_file(tmp_path / name / "checkpoints" / "task_0.safetensors") for name in ("run", "two")
    )
    assert all(torch.equal(one[name], other[name]) for name in other)


# ---- validation data ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [PLATEAU, {"early_stopping": 3}])
def test_without_validation_data_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    def without(*given: Any, **named: Any) -> Any:
        return build_stream(*given, **{**named, "validation": 0.0})

    monkeypatch.setattr("lifelong_kd.testing.small.build_stream", without)
    small_experiment(naive())
    with pytest.raises(BadCall, match=r"early_stopping and lr_schedule 'plateau' look at validation data"):
        small_experiment(naive(), **options)


@pytest.mark.parametrize(
    ("options", "key"),
    [(["lr_schedule=plateau"], "training.lr_schedule"), (["early_stopping=3"], "training.early_stopping")],
)
def test_a_configuration_without_validation_data_names_the_key(
    tmp_path: Path, options: list[str], key: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("stream: {name: split_digits, validation: 0}\nstrategy: naive\nmodel: mlp\n")
    load_config(path)
    changes = [f"training.{option}" for option in options]
    with pytest.raises(BadCall, match=rf"{key}: looks at validation data, and stream.validation is 0"):
        load_config(path, changes)
    load_config(path, [*changes, "stream.validation=0.1"])


# ---- stop and resume ----------------------------------------------------------------------------------------------

STOPPED = {"early_stopping": 3, **PLATEAU, "lr_patience": 1, "lr_factor": 0.5, "epochs": 9}


@pytest.mark.parametrize("make", [lwf, lambda: derpp(memory=20)])
@pytest.mark.parametrize("moment", [(0, 0, 2), (1, 0, 3), (2, 0, 4), (1, 1, 0), (1, 1, 2), (2, 1, 3)])
def test_stopped_inside_a_task_it_resumes_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, moment: tuple[int, int, int]
) -> None:
    """``moment``: task, round and finished epochs of the checkpoint after which the run is stopped."""
    script(monkeypatch, [3, 1, 2, 2, 2])
    controller = Twice(Proposal(lr=0.1)) if moment[1] else None

    def experiment() -> Experiment:
        return small_experiment(make(), controller=controller, **STOPPED)

    def end(folder: Path, *, resume: bool = False) -> tuple[str, Any, Any]:
        made = experiment()
        results = made.run(folder, resume=resume)
        counts = (made.ledger.epochs, made.ledger.samples, made.engine.clock.train_iterations)
        return digest(made.engine.model), results["accuracy_matrix"], counts

    whole = end(tmp_path / "whole")
    save, stopped = Keeper.save, []

    def stop(keeper: Keeper, state: Any) -> None:
        save(keeper, state)
        if state["inside"] and (state["task"], len(state["rounds"]["rounds"]), state["epoch"]) == moment:
            stopped.append(moment)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", stop)
        with pytest.raises(Interrupted):
            experiment().run(tmp_path / "part")
    assert stopped == [moment]
    assert end(tmp_path / "part", resume=True) == whole
    assert whole[2][0] == 3 * 5 * (2 if controller else 1)
    one, other = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "part"))
    assert [entry["test_loss"] for entry in one["per_task"]] == [
        entry["test_loss"] for entry in other["per_task"]
    ]


# ---- what is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["live", "plain"])
def test_the_console_shows_a_task_that_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: Any
) -> None:
    from rich.console import Console

    script(monkeypatch, [1, 2])
    monkeypatch.setattr("lifelong_kd.tracking.console.tracker.REDRAW", 0.0)
    monkeypatch.setattr("lifelong_kd.tracking.console.tracker.HEARTBEAT", 0.0)
    tracker, text = ConsoleTracker(mode=mode), io.StringIO()
    tracker.output = Console(file=text, force_terminal=mode == "live", width=100)
    rates = Rates()
    small_experiment(lwf(), trackers=[tracker, rates], early_stopping=1, epochs=20).run(tmp_path / "run")
    assert "left out" not in capsys.readouterr().err
    said = text.getvalue()
    assert "finished in" in said and "epoch 1/20" in said and "epoch 3/20" not in said
    assert all(
        0 < done <= total == 60 and 0 <= epoch < epochs for _, epoch, epochs, done, total in rates.seen
    )
    assert [seen[3] for seen in rates.seen] == [*range(1, 7)] * 3


def test_what_is_left_of_a_round_is_told_by_that_round(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from lifelong_kd.tracking.base import RunInfo

    now = [1000.0]
    monkeypatch.setattr("lifelong_kd.tracking.console.tracker.time.monotonic", lambda: now[0])
    monkeypatch.setattr("lifelong_kd.tracking.console.tracker.HEARTBEAT", 0.0)
    tracker, text = ConsoleTracker(mode="plain"), io.StringIO()
    tracker.output = Console(file=text, width=100)
    tracker.start(
        RunInfo(
            name="check",
            folder=Path(),
            config={},
            run_id="",
            stream="small",
            strategy="lwf",
            scenario="class",
            seed=0,
            tasks=3,
        )
    )
    for _ in range(2):
        for done in (1, 11, 20):
            tracker.progress(1, 0, 1, done, 20)
            now[0] += 10.0
    lines = [line for line in text.getvalue().splitlines() if "55 %" in line]
    # Ten seconds for eleven steps; nine are left, in the second round as in the first.
    assert len(lines) == 2 and lines[0] == lines[1] and lines[0].endswith("8.2 s left"), lines
