"""How a run is called in W&B and what of its configuration can be filtered by, read back from a real run."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.wandb.flat import config_of, flat, plain
from lifelong_kd.tracking.wandb.identity import arguments, id_of, keep_id
from lifelong_kd.tracking.wandb.tracker import WandbTracker

MakeRun = Callable[..., RunInfo]
Records = Callable[[Path], list[dict[str, Any]]]
NOTHING: dict[str, Any] = {
    "project": "lifelong-kd",
    "entity": None,
    "group": None,
    "job_type": None,
    "tags": [],
    "notes": None,
}
VARIABLES = {
    "WANDB_NAME": "from outside",
    "WANDB_PROJECT": "a-project",
    "WANDB_ENTITY": "a-team",
    "WANDB_RUN_GROUP": "a-group",
    "WANDB_JOB_TYPE": "a-job",
    "WANDB_TAGS": "one,two",
    "WANDB_NOTES": "a note",
}


def test_lists_of_mappings_become_mappings() -> None:
    phases = [{"name": "main", "lr": 0.1}, {"name": "main", "lr": 0.2}, {"lr": 0.3}]
    assert flat({"phases": phases, "sizes": [1, 2], "empty": [], "mixed": [1, {"a": 2}]}) == {
        "phases": {
            "main": {"name": "main", "lr": 0.1},
            "main_1": {"name": "main", "lr": 0.2},
            "2": {"lr": 0.3},
        },
        "sizes": [1, 2],
        "empty": [],
        "mixed": [1, {"a": 2}],
    }


def test_the_settings_go_first(tmp_path: Path, run_info: MakeRun) -> None:
    about = {"data": "d1", "class_order": [1, 0], "environment": {"packages": {"torch": "2"}, "code": "abc"}}
    settings = {
        "name": None,
        "seed": 3,
        "strategy": {"name": "lwf"},
        "stream": {"augment": [{"name": "flip"}]},
    }
    assert config_of(run_info(tmp_path, config=settings, about=about)) == {
        "name": "digits lwf 0",
        "seed": 3,
        "strategy": {"name": "lwf"},
        "stream": {"augment": {"flip": {"name": "flip"}}},
        "scenario": "class",
        "tasks": 5,
        "run_id": "digits-lwf-s0",
        **about,
    }
    bare = config_of(run_info(tmp_path, config={"name": "mine"}))
    assert (bare["name"], bare["strategy"], bare["stream"], bare["seed"]) == (
        "mine",
        "lwf",
        "split_digits",
        0,
    )


def test_the_configuration_of_a_real_run(tmp_path: Path, run_info: MakeRun, records: Records) -> None:
    tracker = WandbTracker(mode="offline")
    settings = {"strategy": {"name": "compose", "phases": [{"name": "warm_up", "epochs": 2}]}}
    tracker.start(run_info(tmp_path, config=settings, group=None, about={"class_order": [1, 0]}))
    tracker.finish("finished")
    assert tracker.path is not None
    run = next(record["run"] for record in records(tracker.path) if record["type"] == "run")
    config = run["config"]["update"]
    assert config["strategy"]["phases"]["warm_up"]["epochs"] == 2
    assert (config["class_order"], config["scenario"]) == ([1, 0], "class")
    assert run["run_group"] == "split_digits-class-lwf"


def told(run: RunInfo, **options: Any) -> dict[str, Any]:
    return arguments(run, **{**NOTHING, **options})


def test_our_own_defaults(tmp_path: Path, run_info: MakeRun) -> None:
    assert told(run_info(tmp_path, group=None, tags=())) == {
        "name": "digits lwf 0",
        "project": "lifelong-kd",
        "entity": None,
        "group": "split_digits-class-lwf",
        "job_type": "train",
        "tags": None,
        "notes": None,
    }


def test_the_environment_goes_before_them(
    tmp_path: Path, run_info: MakeRun, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    run = run_info(tmp_path, group=None, tags=())
    assert set(told(run).values()) == {None}
    # The SDK reads its environment once a process.
    wandb.teardown()
    tracker = WandbTracker(mode="offline")
    tracker.start(run)
    tracker.finish("finished")
    wandb.teardown()
    assert tracker.path is not None
    found = next(record["run"] for record in records(tracker.path) if record["type"] == "run")
    assert (found["display_name"], found["project"], found["entity"]) == (
        "from outside",
        "a-project",
        "a-team",
    )
    assert (found["run_group"], found["job_type"]) == ("a-group", "a-job")
    assert (found["tags"], found["notes"]) == (["one", "two"], "a note")


def test_the_configuration_goes_before_the_environment(
    tmp_path: Path, run_info: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    own = {"project": "p", "entity": "e", "group": "g", "job_type": "j", "tags": ["t"], "notes": "n"}
    found = told(run_info(tmp_path, config={"name": "digits lwf 0"}, group=None, tags=("u",)), **own)
    assert found == {**own, "name": "digits lwf 0", "tags": ["u", "t"]}
    # The run's own, which come from the configuration too.
    mine = run_info(tmp_path, group="mine", job_type="joint", notes="mine")
    assert {key: told(mine)[key] for key in ("group", "job_type", "notes")} == {
        "group": "mine",
        "job_type": "joint",
        "notes": "mine",
    }


def test_which_w_and_b_run_it_is(tmp_path: Path, run_info: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run, again = run_info(tmp_path), run_info(tmp_path, resumed=True)
    assert id_of(run) == id_of(again) == "digits-lwf-s0"
    monkeypatch.setenv("WANDB_RUN_ID", "outside")
    assert id_of(run) == "outside"
    # A run that began before ids were kept goes on as what it was.
    assert id_of(again) == "digits-lwf-s0"
    keep_id(tmp_path, "kept")
    assert id_of(again) == "kept"
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    assert id_of(run) == id_of(again) == "outside"
    assert [path.name for path in (tmp_path / "wandb").iterdir()] == ["id.json"]


def test_the_id_is_kept_in_the_run_folder(
    tmp_path: Path, run_info: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "outside")
    tracker = WandbTracker(mode="offline")
    tracker.start(run_info(tmp_path))
    tracker.finish("interrupted")
    assert json.loads((tmp_path / "wandb" / "id.json").read_text()) == {
        "id": "outside",
        "project": "lifelong-kd",
        "name": "digits lwf 0",
        "group": "split_digits-lwf",
        "job_type": "train",
    }
    assert tracker.path is not None
    assert tracker.path.name.endswith("-outside")


def test_a_resumed_run_stays_where_it_was(
    tmp_path: Path, run_info: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed from another shell, under another environment, it must not become a second run in another project."""
    place = {
        "project": "a-project",
        "entity": "a-team",
        "name": "from outside",
        "group": "a-group",
        "job_type": "j",
    }
    keep_id(tmp_path, "kept", **place)
    again = run_info(tmp_path, resumed=True)
    assert {key: told(again)[key] for key in place} == place
    monkeypatch.setenv("WANDB_PROJECT", "another")
    assert told(again)["project"] == "a-project"
    # An agent waits for a run of its own sweep's project.
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    assert told(again)["project"] is None
    keep_id(tmp_path, "kept", project="p", entity=None)
    assert json.loads((tmp_path / "wandb" / "id.json").read_text()) == {"id": "kept", "project": "p"}


def test_whatever_a_configuration_holds_becomes_plain() -> None:
    odd = {
        "array": np.array([1, 2]),
        "tensor": torch.ones(1, 2),
        "scalar": np.float32(0.5),
        "type": np.float32,
        "dtype": torch.float32,
        "day": datetime.date(2020, 1, 2),
    }
    assert plain(odd) == {
        "array": [1, 2],
        "tensor": [[1.0, 1.0]],
        "scalar": 0.5,
        "type": "<class 'numpy.float32'>",
        "dtype": "torch.float32",
        "day": "2020-01-02",
    }
