"""What the family about the stability gap finds in small runs, against students that were set aside on the way."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.stability import dip_area, dip_depth, dip_rebound, dip_recovery
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy import registry
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.ask import Answers
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.stability import StabilityGap


class Watched(StabilityGap):
    """Keeps the student at each evaluation."""

    def _kept(self, look: Look) -> None:
        self.__dict__.setdefault("students", {}).setdefault(look.task, []).append(
            copy.deepcopy(look.engine.model)
        )

    def during(self, look: Look, step: int) -> Found:
        self._kept(look)
        return StabilityGap.during(self, look, step)

    def before_end(self, look: Look) -> Found:
        self.__dict__.setdefault("ends", []).append(copy.deepcopy(look.engine.model))
        return StabilityGap.before_end(self, look)

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        self.__dict__["look"] = look
        return StabilityGap.after_task(self, look, earlier)


def run(family: Family, folder: Path, strategy: Any = None, **options: Any) -> Any:
    """The experiment after its run, what was found, and the results."""
    experiment = small_experiment(strategy or lwf(), families={"stability": family}, **options)
    results = experiment.run(folder)
    found = experiment.ledger.found["stability"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return experiment, found, results


def share_right(look: Look, model: Any, task: int, limit: int) -> float:
    """Validation accuracy by hand, sample by sample."""
    data, index = look.data("valid", task), look.pick("valid", task, limit)
    assert len(index) == limit
    model.eval()
    right = 0
    for row in index.tolist():
        with torch.no_grad():
            logits = model(data.plain(data.raw(torch.tensor([row]))))[0]
        own = look.stream.tasks[task].classes if look.stream.scenario == "task" else range(len(logits))
        best = max((column for column in own if column < len(logits)), key=lambda c: float(logits[c]))
        right += best == int(data.targets[row])
    return right / limit


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_the_trace_is_the_accuracy_of_the_student_on_the_way(scenario: Any, tmp_path: Path) -> None:
    family = Watched(every=2, samples=9)
    _, found, results = run(family, tmp_path / "run", scenario=scenario, epochs=3)
    look, students, ends = (family.__dict__[name] for name in ("look", "students", "ends"))
    for task, one in enumerate(found):
        # 48 samples of a task in batches of 16, three times.
        assert one["steps"] == 9 and one["at"] == [0, 2, 4, 6, 8, 9] and len(one["accuracy"]) == task
        models = [*students[task], ends[task]]
        for earlier in range(task):
            expected = [share_right(look, model, earlier, 9) for model in models]
            assert one["accuracy"][earlier] == pytest.approx(expected)
            trace = one["accuracy"][earlier]
            assert one["depth"][earlier] == dip_depth(trace)
            assert one["rebound"][earlier] == dip_rebound(trace)
            assert one["recovery"][earlier] == dip_recovery(one["at"], trace)
            assert one["area"][earlier] == dip_area(one["at"], trace)
        assert one["current"] == pytest.approx(share_right(look, ends[task], task, 9))
    lowest = [
        min(found[1]["accuracy"][0][1:] + found[2]["accuracy"][0][1:]),
        min(found[2]["accuracy"][1][1:]),
    ]
    assert found[2]["min_accuracy"] == pytest.approx(sum(lowest) / 2)
    worst = (found[2]["current"] + sum(lowest)) / 3
    assert results["stability"]["worst_case_accuracy"] == pytest.approx(worst)
    assert (tmp_path / "run" / "plots" / "stability_gap.png").is_file()


def test_nothing_is_disturbed(tmp_path: Path) -> None:
    """Dropout, BatchNorm, augmentation and memory draw as they would."""
    for name, strategy in (("lwf", lwf), ("icarl", icarl)):
        ends = []
        for families in ({}, {"stability": StabilityGap(every=1, samples=5)}):
            experiment = small_experiment(strategy(), augment=True, families=families)
            experiment.run(tmp_path / f"{name}{len(families)}")
            ends.append(digest(experiment.engine.model))
        assert ends[0] == ends[1]


def test_a_strategy_of_avalanches_own(tmp_path: Path) -> None:
    family = Watched(every=1, samples=9)
    _, found, _ = run(family, tmp_path / "run", registry.get("avalanche/naive")())
    look, students = family.__dict__["look"], family.__dict__["students"]
    assert found[2]["at"] == list(range(7))
    expected = [share_right(look, model, 1, 9) for model in students[2]]
    assert found[2]["accuracy"][1] == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 9, 48, 49, 480, 481, 100_000])
@pytest.mark.parametrize(("every", "most"), [(1, 3), (1, 50), (10, 50), (500, 50), (7, 4)])
def test_never_more_evaluations_than_asked_for(steps: int, every: int, most: int) -> None:
    interval = StabilityGap(every=every, most=most).interval(steps)
    assert interval >= every
    # Before the first step, each time inside, and at the end.
    assert 1 + steps // interval + 1 <= most
    if interval > every:
        # No longer than it has to be.
        assert steps // (interval - 1) > most - 2


def fake(
    task: int, pending: Any, valid: Sequence[float] = (), scenario: str = "class", done: int = 40
) -> Any:
    """A look at a student that is right on so many of a task's validation samples, of class 2 * task.

    It has been trained for ``done`` iterations of the task.
    """

    def answers(split: str, which: int, limit: int) -> Any:
        assert split == "valid"
        right = round(valid[which] * limit)
        logits = torch.zeros(limit, 7)
        logits[:right, 2 * which] = 1.0
        logits[right:, 2 * which + 1] = 1.0
        # A class of another task comes before all; only a stream with task labels does not mind.
        logits[:, 6] = 2.0 if scenario == "task" else 0.0
        targets = torch.full((limit,), 2 * which)
        return Answers(logits, targets)

    tasks = [SimpleNamespace(classes=(2 * j, 2 * j + 1)) for j in range(3)]
    stream = SimpleNamespace(tasks=tasks, scenario=scenario)
    clock = SimpleNamespace(train_exp_iterations=done)
    engine = SimpleNamespace(steps_of_task=lambda: 40, clock=clock)
    return SimpleNamespace(task=task, pending=pending, stream=stream, engine=engine, answers=answers)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_what_is_found_by_hand(scenario: str) -> None:
    """Two tasks learned before the third; the streams' readings give the same of these logits."""
    family = StabilityGap(every=10, samples=20, share=0.5)
    trace = [
        {"step": 0, "steps": 40, "accuracy": [0.75, 1.0]},
        {"step": 10, "steps": 40, "accuracy": [0.25, 0.5]},
        {"step": 20, "steps": 40, "accuracy": [0.5, 0.5]},
        {"step": 30, "steps": 40, "accuracy": [0.5, 0.5]},
    ]
    assert family.during(fake(2, {}, (0.5, 0.75, 0), scenario), 30) == {
        "step": 30,
        "steps": 40,
        "accuracy": [0.5, 0.75],
    }
    pending: dict[str, Any] = {"trace": trace}
    pending |= family.before_end(fake(2, pending, (0.5, 0.25, 0.0), scenario))
    assert pending["steps"] == 40 and pending["at"] == [0, 10, 20, 30, 40]
    assert pending["accuracy"] == [[0.75, 0.25, 0.5, 0.5, 0.5], [1.0, 0.5, 0.5, 0.5, 0.25]]
    # While task 1 was learned, task 0 fell to nothing and came back.
    earlier = [{"at": [0, 9], "accuracy": []}, {"at": [0, 5, 9], "accuracy": [[0.1, 0.0, 0.75]]}]
    assert family.after_task(fake(2, pending, (0, 0, 0.8), scenario), earlier) == {
        "current": 0.8,
        "min_accuracy": pytest.approx((0.0 + 0.25) / 2),
        "worst_case_accuracy": pytest.approx(0.8 / 3 + 2 / 3 * 0.125),
        "depth": [0.5, 0.75],
        "rebound": [0.25, 0.0],
        "recovery": [10, None],
        # Below 0.5 by 0.25 at one evaluation, below 0.25 never.
        "area": [2.5, 0.0],
    }


def test_the_first_task_has_nothing_to_lose() -> None:
    family = StabilityGap(samples=10)
    pending: dict[str, Any] = {"trace": [family.during(fake(0, {}, (0.5,)), 0)]}
    pending |= family.before_end(fake(0, pending, (0.5,), done=10))
    assert pending["at"] == [0, 10] and pending["accuracy"] == []
    found = family.after_task(fake(0, pending, (0.5,)), [])
    assert found["min_accuracy"] is None and found["worst_case_accuracy"] == found["current"] == 0.5
    assert found["depth"] == found["recovery"] == []


def test_a_task_that_ends_before_its_time() -> None:
    """The end is where it was; the student that the task is left with takes the place of one evaluated there."""
    family = StabilityGap(every=10, samples=4)
    trace = [{"step": step, "steps": 40, "accuracy": [0.5]} for step in (0, 10)]
    found = family.before_end(fake(1, {"trace": trace}, (0.75, 0), done=16))
    assert found == {"steps": 16, "at": [0, 10, 16], "accuracy": [[0.5, 0.5, 0.75]]}
    trace = [{"step": step, "steps": 40, "accuracy": [0.5]} for step in (0, 10, 20, 30, 40)]
    found = family.before_end(fake(1, {"trace": trace}, (0.75, 0)))
    assert found["at"] == [0, 10, 20, 30, 40] and found["accuracy"] == [[0.5, 0.5, 0.5, 0.5, 0.75]]


def test_a_task_that_is_stopped_early_ends_where_it_was_stopped(tmp_path: Path) -> None:
    _, found, _ = run(StabilityGap(every=10), tmp_path / "run", epochs=20, early_stopping=1)
    # Three iterations an epoch.
    assert all(one["steps"] % 3 == 0 and one["at"][-1] == one["steps"] for one in found)
    assert min(one["steps"] for one in found) < 60


def test_a_task_without_an_iteration() -> None:
    family = StabilityGap(samples=4)
    pending: dict[str, Any] = {"trace": [{"step": 0, "steps": 0, "accuracy": [0.5]}]}
    pending |= family.before_end(fake(1, pending, (0.5, 0), done=0))
    assert pending["at"] == [0] and pending["accuracy"] == [[0.5]]
    found = family.after_task(fake(1, pending, (0.5, 1.0)), [{"at": [0], "accuracy": []}])
    assert found["min_accuracy"] == 0.5 and found["depth"] == [0.0] and found["recovery"] == [0]


def entry(accuracy: Any, **values: Any) -> Found:
    return {"steps": 10, "at": [0, 5, 10], "accuracy": accuracy, **values}


def test_the_scores_by_hand(tmp_path: Path) -> None:
    found = [
        entry([], depth=[], rebound=[], recovery=[], area=[], min_accuracy=None, worst_case_accuracy=0.9),
        entry([[1.0, 0.5, 0.75]], depth=[0.5], rebound=[0.25], recovery=[10], area=[1.0]),
        entry(
            [[0.75, 0.5, 0.25], [1.0, 1.0, 1.0]],
            depth=[0.5, 0.0],
            rebound=[0.0, 0.0],
            recovery=[None, 0],
            area=[0.0, 0.0],
            min_accuracy=0.5,
            worst_case_accuracy=0.6,
        ),
    ]
    family = StabilityGap(window=2)
    assert family.summary(found) == {
        "min_accuracy": 0.5,
        "worst_case_accuracy": 0.6,
        "stability_gap_depth": pytest.approx(1 / 3),
        "stability_gap_rebound": pytest.approx(0.25 / 3),
        "stability_gap_area": pytest.approx(1 / 3),
        "stability_gap_recovery": 5.0,
        "stability_gap_recovered": pytest.approx(2 / 3),
        # Task 0: 1, .5, .75, .75, .5, .25, a fall of 0.5 and a rise of 0.25 between neighbours; task 1: none.
        "windowed_forgetting": 0.25,
        "windowed_plasticity": 0.125,
    }
    alone = family.summary(found[:1])
    assert alone["worst_case_accuracy"] == 0.9
    assert {value for name, value in alone.items() if name != "worst_case_accuracy"} == {None}
    assert set(family.summary([]).values()) == {None}
    assert family.draw(tmp_path, found[:1]) == []
    ((key, path),) = family.draw(tmp_path, found)
    assert key == "plots/stability_gap" and path.is_file()


def test_a_stream_without_validation_is_refused() -> None:
    none: Any = SimpleNamespace(has_validation=False)
    with pytest.raises(BadCall, match=r"set stream\.validation"):
        StabilityGap().check(none)
    parts = [SimpleNamespace(dataset=[1, 2]), SimpleNamespace(dataset=[])]
    some: Any = SimpleNamespace(has_validation=True, benchmark=SimpleNamespace(valid_stream=parts))
    with pytest.raises(BadCall, match="task 1 has none"):
        StabilityGap().check(some)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0}, "every must be at least 1, found 0"),
        ({"samples": 0}, "samples must be at least 1, found 0"),
        ({"most": 2}, "most must be at least 3, found 2"),
        ({"window": 1}, "window must be at least 2, found 1"),
        ({"share": 0.0}, r"share lies in \(0, 1\], found 0.0"),
        ({"share": 1.1}, "found 1.1"),
    ],
)
def test_options_out_of_range(options: Any, words: str) -> None:
    with pytest.raises(BadCall, match=words):
        StabilityGap(**options)
