"""Who taught whom: lineage.json against the teachers' own weights, also after a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.model.freeze import digest
from lifelong_kd.phase.fresh import FreshStart
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.all_snapshots import AllSnapshots
from lifelong_kd.teacher.external import External
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.stopping import Stop
from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value
from lifelong_kd.training.folder import RunFolder
from lifelong_kd.training.interrupt import Interrupted
from lifelong_kd.training.lineage import Lineage


class Heard(Tracker):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.artifacts: list[tuple[list[str], str, str, dict[str, Any]]] = []
        self.tables: list[tuple[str, int, int]] = []
        self.figures: list[tuple[str, int]] = []
        self.steps: list[tuple[str, dict[str, int]]] = []
        self.scores: dict[str, Value] = {}

    def start(self, run: RunInfo) -> None:
        self.run = run

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        self.steps.append((axis, dict(step)))

    def finish(self, status: Status) -> None:
        self.status = status

    def figure(self, key: str, path: Path, step: Mapping[str, int]) -> None:
        assert path.is_file()
        self.figures.append((key, step["task"]))

    def table(self, key: str, columns: Sequence[str], rows: Any, step: Mapping[str, int]) -> None:
        assert all(len(row) == len(columns) for row in rows)
        self.tables.append((key, step["task"], len(rows)))

    def artifact(
        self, path: Path | Sequence[Path], name: str, kind: str, metadata: Mapping[str, Any]
    ) -> None:
        paths = [path] if isinstance(path, Path) else list(path)
        assert all(one.is_file() for one in paths)
        self.artifacts.append(([one.name for one in paths], name, kind, dict(metadata)))

    def summary(self, values: Mapping[str, Value]) -> None:
        self.scores = dict(values)


def taught(*teachers: Any) -> Strategy:
    terms = {f"t{number}": Distill(teacher, Kd()) for number, teacher in enumerate(teachers)}
    return Strategy(task_loss=TaskLoss("all"), terms=terms)


def models(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "lineage.json").read_text())["models"])


def test_the_digest_of_the_parent_is_that_of_the_teacher(tmp_path: Path) -> None:
    snapshot, every = Snapshot(), AllSnapshots()
    seen: dict[int, tuple[str, list[str]]] = {}

    class Looks(Heard):
        def progress(self, task: int, epoch: int, epochs: int, done: int, total: int) -> None:
            if snapshot.module is not None:
                seen[task] = (digest(snapshot.module), [digest(module) for module in every.modules.values()])

    heard = Looks()
    experiment = small_experiment(taught(snapshot, every), trackers=[heard])
    experiment.run(tmp_path / "run")
    found = models(tmp_path / "run")
    run_id = heard.run.run_id
    assert [model["name"] for model in found] == [f"{run_id}-task-{task}" for task in range(len(found))]
    assert found[0]["parents"] == [] and len(found) == 3
    for task in (1, 2):
        by_role: dict[str, list[str]] = {}
        for parent in found[task]["parents"]:
            by_role.setdefault(parent["role"], []).append(parent["digest"])
        assert by_role["student"] == [found[task - 1]["digest"]]
        assert by_role["teacher t0"] == [seen[task][0]] == [found[task - 1]["digest"]]
        assert by_role["teacher t1"] == seen[task][1] == [model["digest"] for model in found[:task]]
    kept = [
        (names, name, metadata["parents"])
        for names, name, kind, metadata in heard.artifacts
        if kind == "model"
    ]
    assert kept == [([Path(model["file"]).name], model["name"], model["parents"]) for model in found]


def test_no_teacher_leaves_the_student_that_training_went_on_from(tmp_path: Path) -> None:
    small_experiment(naive()).run(tmp_path / "run")
    roles = [[parent["role"] for parent in model["parents"]] for model in models(tmp_path / "run")]
    assert roles == [[], ["student"], ["student"]]


def test_a_teacher_from_elsewhere_is_named(tmp_path: Path) -> None:
    external = External(module=nn.Sequential(nn.Flatten(), nn.Linear(36, 6)))
    external.origin = {"name": "me/digits/big:v3", "digest": "abc"}
    lineage = Lineage(RunFolder(tmp_path), "r")
    assert lineage.parents(0, {"big": external}, {"name": "start", "digest": "d"}) == [
        {"name": "start", "digest": "d", "role": "student"},
        {"name": "me/digits/big:v3", "digest": "abc", "role": "teacher big"},
    ]
    assert lineage.parents(1, {"big": external}, {"name": "start", "digest": "d"})[0]["role"] == "teacher big"


def test_after_a_restart_later_entries_are_replaced(tmp_path: Path) -> None:
    lineage = Lineage(RunFolder(tmp_path), "r")
    for task in range(3):
        lineage.add(task, f"task_{task}", f"old {task}", ["a"], [])
    lineage.add(1, "task_1", "new 1", ["b"], [])
    assert [(model["task"], model["digest"]) for model in lineage.read()] == [(0, "old 0"), (1, "new 1")]


def test_a_resumed_run_has_the_lineage_of_one_never_stopped(tmp_path: Path) -> None:
    small_experiment(taught(Snapshot())).run(tmp_path / "whole")
    with pytest.raises(Interrupted):
        small_experiment(taught(Snapshot()), trackers=[Stop("task")]).run(tmp_path / "stopped")
    heard = Heard()
    small_experiment(taught(Snapshot()), trackers=[heard]).run(tmp_path / "stopped", resume=True)

    def told(folder: Path) -> list[Any]:
        return [
            (model["digest"], [(parent["digest"], parent["role"]) for parent in model["parents"]])
            for model in models(folder)
        ]

    assert told(tmp_path / "stopped") == told(tmp_path / "whole")
    assert heard.run.resumed
    # What was learned before is told of once more, with the same metadata but for where the run is.
    again = {name: metadata for _, name, kind, metadata in heard.artifacts if kind == "model"}
    assert {name: metadata["digest"] for name, metadata in again.items()} == {
        model["name"]: model["digest"] for model in models(tmp_path / "stopped")
    }
    known = {"task", "classes", "digest", "scores", "strategy", "parents"}
    assert [set(metadata) for metadata in again.values()] == [known] * 3
    assert [metadata["task"] for metadata in again.values()] == [0, 1, 2]


def test_what_trackers_are_told_of_a_task_and_of_the_end(tmp_path: Path) -> None:
    heard = Heard()
    experiment = small_experiment(naive(), trackers=[heard], every=1)
    experiment.plots = True
    experiment.run(tmp_path / "run")
    assert heard.tables == [("accuracy_matrix", task, 3 * (task + 1)) for task in range(3)]
    assert [figure for figure in heard.figures if figure[0] == "task/accuracy_matrix"] == [
        ("task/accuracy_matrix", task) for task in range(3)
    ]
    names, name, kind, metadata = heard.artifacts[-1]
    assert kind == "results" and name == f"{heard.run.run_id}-results"
    assert names == ["config.yaml", "results.json", "lineage.json"]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert metadata["average_accuracy"] == results["average_accuracy"] == heard.scores["average_accuracy"]
    assert heard.scores["cost/training_seconds"] == results["cost"]["training_seconds"]
    # Two epochs a task, each with an evaluation, then the round's own.
    counts = [step["evaluation"] for axis, step in heard.steps if axis == "task"]
    assert counts == [3, 6, 9]
    assert heard.run.about["data"] == results["data"] and heard.run.logged == 0
    assert set(heard.run.about) == {"data", "class_order", "environment"}


def test_a_student_that_began_anew_was_not_made_from_the_one_before(tmp_path: Path) -> None:
    lineage = Lineage(RunFolder(tmp_path), "r")
    lineage.add(0, "task_0", "d0", ["a"], [])
    roles = [parent["role"] for parent in lineage.parents(1, {"kd": Snapshot()}, anew=True)]
    assert roles == ["teacher kd"]
    assert lineage.parents(0, {}, {"name": "start", "digest": "d"}, anew=True) == []
    strategy = Strategy(task_loss=TaskLoss("all"), phases=[FreshStart()])
    small_experiment(strategy).run(tmp_path / "run")
    assert [model["parents"] for model in models(tmp_path / "run")] == [[], [], []]


def test_the_model_that_a_student_began_with_is_that_of_its_first_start(tmp_path: Path) -> None:
    """What ``model.init`` names may be another model, or gone, when the run goes on inside its first task."""

    class StopAtOnce(Stop):
        def log(self, values: Mapping[str, Value], axis: str, step: Mapping[str, int]) -> None:
            if axis == "epoch" and step["epoch"] == 2:
                raise KeyboardInterrupt

    first = small_experiment(naive(), trackers=[StopAtOnce("epoch")], every=1, checkpoint_every=1)
    first.origin = {"name": "start", "digest": "d"}
    with pytest.raises(Interrupted):
        first.run(tmp_path / "run")
    assert not (tmp_path / "run" / "lineage.json").exists()
    again = small_experiment(naive(), every=1, checkpoint_every=1)
    again.origin = {"name": "start", "digest": "another"}
    again.run(tmp_path / "run", resume=True)
    assert models(tmp_path / "run")[0]["parents"] == [{"name": "start", "digest": "d", "role": "student"}]
