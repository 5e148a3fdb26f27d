"""Runs from W&B's own files, as the SDK writes them offline."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.comparison.groups import group_runs
from lifelong_kd.comparison.read import offline as offline_module
from lifelong_kd.comparison.read import read_runs
from lifelong_kd.comparison.read.tracked import from_tracked
from lifelong_kd.comparison.types import LeftOut, RunRecord
from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.wandb import WandbTracker
from tests.comparison.folders import put

MATRIX = [[0.9, 0.1], [0.5, 0.7]]
SUMMARY = {"average_accuracy": 0.6, "forgetting": 0.4, "calibration/nll": 1.5, "cost/training_seconds": 3.0}
CONFIG = {
    "seed": 0,
    "stream": {"name": "digits", "scenario": "class"},
    "strategy": {"name": "compose", "terms": [{"name": "kd", "weight": 2.0}]},
    "optimizer": {"lr": 0.5},
}
ABOUT = {
    "data": "digest-0",
    "class_order": [1, 0, 3, 2],
    "environment": {
        "python": "3.11.7",
        "packages": {"torch": "2.15.0", "lifelong_kd": "0.1.0"},
        "code": "abc",
    },
}


def log(
    folder: Path, name: str, tasks: list[int], *, status: Any = "finished", resumed: bool = False
) -> Path:
    """A run of our own tracker, logged to W&B offline; its folder of W&B files."""
    info = RunInfo(
        name=name,
        folder=folder / name,
        config=CONFIG,
        run_id=name,
        stream="digits",
        strategy="compose",
        scenario="class",
        seed=0,
        tasks=2,
        resumed=resumed,
        about=ABOUT,
    )
    tracker = WandbTracker(mode="offline")
    tracker.start(info)
    for task in tasks:
        values = {f"task/accuracy/{j}": value for j, value in enumerate(MATRIX[task])}
        values |= {"score/forgetting": 0.4 * task, "train/loss": 1.0, "task/calibration/nll": 3.0}
        tracker.log(values, "task", {"task": task, "epoch": task, "iteration": 10 * task})
    if status == "finished":
        tracker.summary(SUMMARY)
    tracker.finish(status)
    assert tracker.path is not None
    return tracker.path


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """W&B's folders of a whole run, of one that failed, of the two parts of a resumed one, and of someone else's."""
    import wandb

    home = tmp_path_factory.mktemp("logged")
    found = {"whole": log(home, "whole", [0, 1]), "failed": log(home, "failed", [0], status="failed")}
    found["first"] = log(home, "parts", [0, 0], status="interrupted")
    found["second"] = log(home, "parts", [1], resumed=True)
    other = wandb.init(mode="offline", id="other", dir=str(home), config={"lr": 1}, reinit="create_new")
    found["other"] = Path(other.settings.sync_dir)
    other.finish()
    return found


@pytest.fixture
def take(logged: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """Copies some of the folders into a ``wandb/`` of the test's own."""

    def copied(*names: str) -> Path:
        for name in names:
            shutil.copytree(logged[name], tmp_path / "mine" / "wandb" / logged[name].name)
        return tmp_path / "mine" / "wandb"

    return copied


def test_everything_of_a_run(take: Callable[..., Path]) -> None:
    folder = take("whole")
    (record,), left = read_runs([folder])
    assert left == []
    assert record.source == str(next(folder.iterdir())) and record.name == "whole"
    assert (record.strategy, record.stream, record.scenario, record.seed) == ("compose", "digits", "class", 0)
    assert record.scores == {
        "average_accuracy": 0.6,
        "average_incremental_accuracy": None,
        "learning_accuracy": None,
        "forgetting": 0.4,
        "backward_transfer": None,
        "forward_transfer": None,
        "calibration/nll": 1.5,
    }
    assert record.cost == {"training_seconds": 3.0}
    assert record.matrix == ((0.9, 0.1), (0.5, 0.7))
    assert record.class_order == (1, 0, 3, 2) and record.data == "digest-0"
    assert record.versions == {"python": "3.11.7", "torch": "2.15.0", "lifelong_kd": "0.1.0", "code": "abc"}
    assert set(record.settings) == {"seed", "name", "stream", "strategy", "optimizer"}


def test_a_run_is_the_same_from_its_folder_and_from_wandb(take: Callable[..., Path], tmp_path: Path) -> None:
    (online,), _ = read_runs([take("whole")])
    local = put(
        tmp_path / "local", seed=1, settings={**CONFIG, "seed": 1}, results={"strategy": CONFIG["strategy"]}
    )
    import yaml

    (local / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "seed": 1}))
    (row,), _ = group_runs([online, *read_runs([local])[0]])
    assert row.seeds == (0, 1) and row.label == "compose"


def test_parts_are_one_run_and_others_are_left_out(take: Callable[..., Path]) -> None:
    folder = take("whole", "failed", "first", "second", "other")
    for path in (folder, folder.parent, folder.parent.parent):
        records, left = read_runs([path])
        assert sorted(record.name for record in records) == ["parts", "whole"], left
        assert next(r for r in records if r.name == "parts").matrix == ((0.9, 0.1), (0.5, 0.7))
        reasons = {Path(one.source).name.rpartition("-")[2]: one.reason for one in left}
        assert reasons == {
            "failed": "failed: exit code 1",
            "other": "was not logged by lifelong_kd: its config lacks seed, strategy.name or stream.name",
        }
    (part,) = (one for one in folder.iterdir() if one.name.endswith("-failed"))
    assert read_runs([part])[1][0].reason == "failed: exit code 1"


def test_an_interrupted_run(take: Callable[..., Path]) -> None:
    assert [left.reason for left in read_runs([take("first")])[1]] == ["was interrupted"]


@pytest.mark.parametrize("size", [0, 7, 40])
def test_a_file_of_nothing(take: Callable[..., Path], size: int) -> None:
    folder = take("whole")
    file = next(folder.glob("*/*.wandb"))
    file.write_bytes(file.read_bytes()[:size])
    records, (left,) = read_runs([folder])
    assert records == [] and left.source == str(file.parent)
    assert file.name in left.reason or "no config" in left.reason, left.reason


def test_a_file_that_was_cut_off(take: Callable[..., Path]) -> None:
    folder = take("whole")
    file = next(folder.glob("*/*.wandb"))
    file.write_bytes(file.read_bytes()[:-200])
    records, (left,) = read_runs([folder])
    assert records == [] and left.reason.startswith("is still running, or was killed"), left.reason


def test_a_reader_that_hangs(
    take: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "core"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    script.chmod(0o755)
    monkeypatch.setattr("wandb.util.get_core_path", lambda: str(script))
    monkeypatch.setattr(offline_module, "PATIENCE", 0.2)
    begun = time.monotonic()
    _, (left,) = read_runs([take("whole")])
    assert "takes longer than 0.2 s to read" in left.reason and time.monotonic() - begun < 10


def test_a_run_folder_is_the_truth(logged: dict[str, Path], tmp_path: Path) -> None:
    run = put(tmp_path / "run")
    shutil.copytree(logged["whole"], run / "wandb" / logged["whole"].name)
    for path in (run, tmp_path, run / "wandb", run / "wandb" / logged["whole"].name):
        (record,), left = read_runs([path])
        assert record.name == "digits-class-lwf-s0" and left == []
    assert len(read_runs([run, run / "wandb"])[0]) == 1


def test_files_of_an_online_run_are_no_run_folder(tmp_path: Path) -> None:
    # There the SDK writes files/config.yaml, in a form of its own.
    place = tmp_path / "wandb" / "run-20260101_000000-x" / "files"
    place.mkdir(parents=True)
    (place / "config.yaml").write_text("seed: {value: 0}\n")
    (place.parent / "run-x.wandb").write_bytes(b":W&B\x00\x00\x00")
    (tmp_path / "wandb" / "latest-run").symlink_to(place.parent)
    records, (left,) = read_runs([tmp_path / "wandb"])
    assert records == [] and left.source == str(place.parent)
    (place.parent / "run-x.wandb").unlink()
    (place / "config.yaml").unlink()
    with pytest.raises(BadCall, match="neither a run folder"):
        read_runs([tmp_path / "wandb"])


def tracked(
    config: dict[str, Any] | None = None, summary: dict[str, Any] | None = None
) -> RunRecord | LeftOut:
    history = [
        {"task": 0, "task/accuracy/0": 0.5, "task/accuracy/1": "NaN"},
        {"task": 1, "task/accuracy/1": 1},
    ]
    return from_tracked(
        {**CONFIG, **(config or {})}, {**SUMMARY, **(summary or {})}, history, name="n", source="s"
    )


def test_what_the_summary_holds_beside_scores() -> None:
    more = {
        "_step": 4,
        "task/seconds": 1.0,
        "train/loss/kd": 2.0,
        "score/stability/min_accuracy": {"last": 0.25, "max": 0.5},
        "score/forgetting": {"last": 0.1, "min": 0.1},
        "intransigence": 0.5,
        "accuracy_matrix": {"_type": "table-file"},
        "cost/flops": "Infinity",
        "calibration/brier": None,
        "best": 3,
    }
    record = tracked(summary=more)
    assert isinstance(record, RunRecord)
    assert {k: v for k, v in record.scores.items() if v is not None} == {
        "average_accuracy": 0.6,
        "forgetting": 0.4,
        "calibration/nll": 1.5,
        "stability/min_accuracy": 0.25,
        "intransigence": 0.5,
    }
    assert record.scores["calibration/brier"] is None and "best" not in record.scores
    assert record.cost == {"training_seconds": 3.0, "flops": None}
    assert record.matrix == ((0.5, None), (None, 1.0))


@pytest.mark.parametrize(
    ("config", "summary", "said"),
    [
        ({"seed": None}, {}, "was not logged by lifelong_kd"),
        ({"strategy": {"lr": 1}}, {}, "was not logged by lifelong_kd"),
        ({}, {"average_accuracy": None}, "no average_accuracy in its summary"),
        ({"class_order": "abc"}, {}, "class_order is 'abc', not a list"),
    ],
)
def test_what_is_left_out(config: dict[str, Any], summary: dict[str, Any], said: str) -> None:
    left = tracked(config, summary)
    assert isinstance(left, LeftOut) and said in left.reason
