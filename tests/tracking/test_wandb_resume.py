"""One W&B run for life: over every start of it each line once, with its value, on its axis."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import NAME as METRICS
from lifelong_kd.tracking.jsonl import JsonlTracker, truncate
from lifelong_kd.tracking.wandb.files import fragments
from lifelong_kd.tracking.wandb.history import Part, read_part
from lifelong_kd.tracking.wandb.tracker import WandbTracker
from tests.tracking.conftest import on_its_own

MakeRun = Callable[..., RunInfo]
Records = Callable[[Path], list[dict[str, Any]]]

CHILD = """
import sys, time
from pathlib import Path
from tests.tracking.conftest import make_run_info
from tests.tracking.test_wandb_resume import log
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import JsonlTracker
from lifelong_kd.tracking.wandb import WandbTracker

trackers = Trackers([JsonlTracker(), WandbTracker(mode="offline")])
trackers.start(make_run_info(Path(sys.argv[1])))
log(trackers, range(1, 13))
time.sleep(1.5)
print("written", flush=True)
time.sleep(60)
"""


def line_of(number: int) -> tuple[dict[str, float], str, dict[str, int]]:
    """Values, axis and counters of the call ``number``: every fourth is the end of a task."""
    step = {"task": number // 4, "epoch": number // 2, "iteration": 10 * number, "evaluation": 0}
    if number % 4 == 0:
        return {"score/forgetting": 1 / number, "task/accuracy/0": 1 - 1 / number}, "task", step
    return {"train/loss": 2.0 / number}, "iteration", step


def log(trackers: Trackers | WandbTracker, numbers: range) -> None:
    for number in numbers:
        values, axis, step = line_of(number)
        trackers.log(values, axis, step)  # type: ignore[arg-type]


def go_on(run: RunInfo, numbers: range, status: Any = "interrupted") -> WandbTracker:
    """Resume ``run`` from its checkpoint and log ``numbers``."""
    truncate(run.folder, run.logged)
    tracker = WandbTracker(mode="offline")
    trackers = Trackers([JsonlTracker(), tracker])
    trackers.start(run)
    log(trackers, numbers)
    trackers.finish(status)
    return tracker


def history(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    return [{key: value for key, value in item.items() if not key.startswith("_")} for item in items]


def check(rows: list[dict[str, Any]], numbers: range) -> None:
    assert sorted(row["line"] for row in rows) == list(numbers)
    for row in rows:
        values, _, step = line_of(row["line"])
        assert row == {**values, **step, "line": row["line"]}


def test_three_starts_have_every_line_once(tmp_path: Path, run_info: MakeRun, records: Records) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, cwd=root, env=on_its_own()
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"written"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # The checkpoint is older than what W&B has: 9 to 12 come again, and are not logged again.
    go_on(run_info(tmp_path, resumed=True, logged=8), range(9, 21))
    first, second = fragments(tmp_path, "digits-lwf-s0")
    check(history(records(first)), range(1, 13))
    check(history(records(second)), range(13, 21))
    # The second start loses its end, as one that is killed does: metrics.jsonl has it.
    file = next(second.glob("*.wandb"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    lost = set(range(13, 21)) - read_part(second).lines
    assert lost
    assert len(lost) < 8
    tracker = go_on(run_info(tmp_path, resumed=True, logged=20), range(21, 25), "finished")
    third = tracker.path
    assert third is not None
    rows = [row for part in (first, second, third) for row in history(records(part))]
    check(rows, range(1, 25))
    assert {row["line"] for row in history(records(third))} == lost | set(range(21, 25))
    # Drawn on their axes, and the best is that of the whole run and not of its last start.
    found = records(third)
    axes = {record["metric"]["name"]: record["metric"] for record in found if record["type"] == "metric"}
    assert axes["train/loss"]["step_metric"] == "iteration"
    assert axes["score/forgetting"]["step_metric"] == "task"
    summary: dict[str, Any] = {}
    for record in found:
        if record["type"] == "summary":
            summary.update(record["summary"].get("update", {}))
    assert summary["score/forgetting"] == {"last": 1 / 24, "min": 1 / 24}
    assert summary["task/accuracy/0"] == {"last": 1 - 1 / 24, "max": 1 - 1 / 24}
    assert tracker.sync_command is not None
    assert tracker.sync_command.split()[2:] == [str(part) for part in (first, second, third)]


def test_the_best_value_outlives_a_start(tmp_path: Path, run_info: MakeRun, records: Records) -> None:
    def start(logged: int, value: float) -> Path:
        tracker = WandbTracker(mode="offline")
        trackers = Trackers([JsonlTracker(), tracker])
        trackers.start(run_info(tmp_path, resumed=logged > 0, logged=logged))
        trackers.log({"score/average_accuracy": value}, "task", {"task": logged})
        trackers.finish("interrupted")
        assert tracker.path is not None
        return tracker.path

    start(0, 0.9)
    # W&B names a part's folder by the second: two in one would be one.
    time.sleep(1.05 - time.time() % 1)
    found = records(start(1, 0.25))
    summary: dict[str, Any] = {}
    for record in found:
        if record["type"] == "summary":
            summary.update(record["summary"].get("update", {}))
    assert summary["score/average_accuracy"] == {"last": 0.25, "max": 0.9}


def test_pictures_tables_and_models_are_not_logged_twice(
    tmp_path: Path, run_info: MakeRun, records: Records
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "matrix.png")
    (tmp_path / "model.bin").write_bytes(b"weights")

    def start(tasks: range, logged: int) -> Path:
        tracker = WandbTracker(mode="offline")
        tracker.start(run_info(tmp_path, resumed=logged > 0, logged=logged))
        for task in tasks:
            tracker.log({"score/forgetting": 0.0}, "task", {"task": task})
            tracker.figure("task/accuracy_matrix", tmp_path / "matrix.png", {"task": task})
            tracker.table("accuracy_matrix", ["accuracy"], [[0.5]], {"task": task})
            tracker.artifact(
                tmp_path / "model.bin", f"run-task-{task}", "model", {"digest": f"d{task}", "task": task}
            )
        tracker.finish("interrupted")
        assert tracker.path is not None
        return tracker.path

    (tmp_path / METRICS).touch()
    paths = [start(range(2), 0), start(range(1, 3), 1)]
    for path, tasks in zip(paths, ([0, 1], [2]), strict=True):
        found = records(path)
        rows = history(found)
        assert [row["task"] for row in rows if "task/accuracy_matrix._type" in row] == tasks
        assert [row["task"] for row in rows if "accuracy_matrix._type" in row] == tasks
        models = [
            r["artifact"] for r in found if r["type"] == "artifact" and r["artifact"]["type"] == "model"
        ]
        assert [model["name"] for model in models] == [f"run-task-{task}" for task in tasks]
        assert [sorted(model["aliases"]) for model in models] == [
            ["latest", f"task-{task}"] for task in tasks
        ]


def test_a_model_that_changed_is_a_new_version(tmp_path: Path, run_info: MakeRun, records: Records) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    for digest in ("one", "two"):
        tracker = WandbTracker(mode="offline")
        tracker.start(run_info(tmp_path, resumed=digest == "two"))
        tracker.artifact(tmp_path / "model.bin", "run-task-0", "model", {"digest": digest, "task": 0})
        tracker.finish("interrupted")
    assert tracker.path is not None
    assert [r["artifact"]["name"] for r in records(tracker.path) if r["type"] == "artifact"] == ["run-task-0"]


def test_without_metrics_nothing_is_skipped(tmp_path: Path, run_info: MakeRun, records: Records) -> None:
    """Nobody has counted the calls of the first start: those of the second get numbers behind them."""
    for values in ([1.0, 2.0], [3.0]):
        tracker = WandbTracker(mode="offline")
        tracker.start(run_info(tmp_path, resumed=values == [3.0]))
        for value in values:
            tracker.log({"x": value}, "iteration", {"iteration": int(value)})
        tracker.finish("interrupted")
    assert tracker.path is not None
    assert history(records(tracker.path)) == [{"x": 3.0, "iteration": 3, "line": 3}]


def test_metrics_that_cannot_be_read_do_not_end_tracking(
    tmp_path: Path, run_info: MakeRun, records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / METRICS).write_text("no line of metrics\n")
    tracker = WandbTracker(mode="offline")
    tracker.start(run_info(tmp_path, resumed=True, logged=1))
    tracker.log({"x": 1.0}, "iteration", {"iteration": 2})
    tracker.finish("finished")
    assert tracker.path is not None
    assert history(records(tracker.path)) == [{"x": 1.0, "iteration": 2, "line": 2}]
    assert "what W&B lacks of the run so far cannot be logged" in capsys.readouterr().err


def test_a_broken_part_is_read_as_far_as_it_goes(tmp_path: Path, run_info: MakeRun) -> None:
    tracker = WandbTracker(mode="offline")
    tracker.start(run_info(tmp_path))
    log(tracker, range(1, 41))
    tracker.finish("interrupted")
    assert tracker.path is not None
    file = next(tracker.path.glob("*.wandb"))
    whole = file.read_bytes()
    assert read_part(tracker.path).lines == set(range(1, 41))
    # A file that is too large to read every record of says where it ends.
    assert read_part(tracker.path, large=10).lines == set(range(1, 41))
    for size in (0, 7, 400, len(whole) // 2):
        file.write_bytes(whole[:size])
        lines = read_part(tracker.path).lines
        assert lines == set(range(1, len(lines) + 1))
        assert (0 < len(lines) < 40) == (size > 400)
    file.unlink()
    assert read_part(tracker.path) == Part(tracker.path)
    shutil.rmtree(tracker.path)
    assert read_part(tracker.path) == Part(tracker.path)
