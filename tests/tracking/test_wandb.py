"""Real W&B runs, read back with the SDK's own reader."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.wandb import WandbTracker
from lifelong_kd.tracking.wandb.files import staged_in
from tests.tracking.conftest import on_its_own

MakeRun = Callable[..., RunInfo]
Records = Callable[[Path], list[dict[str, Any]]]
KEY = "0123456789" * 4


def of_type(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records if record["type"] == kind]


def exit_codes(records: list[dict[str, Any]]) -> list[int]:
    # Beside the code there is the run time, if it is a second or more.
    return [record["exit_code"] for record in of_type(records, "exit")]


def test_an_offline_run_holds_everything(
    tmp_path: Path, run_info: MakeRun, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DATA_DIR")
    folder = tmp_path / "runs" / "a run"
    tracker = WandbTracker(mode="offline", entity="team", tags=["mine", "digits"], notes="first")
    tracker.start(run_info(folder))
    step = {"task": 0, "epoch": 1, "iteration": 7}
    tracker.log({"train/loss": 0.5, "train/loss/kd": 0.25, "left out": None}, "iteration", step)
    tracker.log({"epoch/loss": 0.4}, "epoch", {"task": 0, "epoch": 1})
    tracker.log({"within/accuracy": 0.3}, "evaluation", step)
    tracker.log({"round/lr": 0.1}, "evaluation", {**step, "evaluation": 2})
    tracker.log({"task/accuracy/0": 0.75, "score/forgetting": 0.125}, "task", {"task": 0})
    tracker.table("accuracy", ["after", "on", "accuracy"], [[0, 0, 0.75]], {"task": 0})
    Image.new("RGB", (4, 4)).save(folder / "matrix.png")
    tracker.figure("matrix", folder / "matrix.png", {"task": 0})
    (folder / "model.bin").write_bytes(b"weights")
    tracker.artifact(folder / "model.bin", "run:task/1", "model", {"task": 1, "parents": [{"name": "a"}]})
    tracker.artifact([folder / "model.bin", folder / "matrix.png"], "run-results", "results", {})
    tracker.summary({"average_accuracy": 0.75, "forward_transfer": None})
    tracker.finish("finished")

    assert tracker.mode == "offline"
    assert tracker.path is not None
    assert tracker.path.parent == folder / "wandb"
    found = records(tracker.path)
    run = of_type(found, "run")[0]
    assert (run["run_id"], run["display_name"]) == ("digits-lwf-s0", "digits lwf 0")
    assert (run["project"], run["entity"]) == ("lifelong-kd", "team")
    assert (run["run_group"], run["job_type"]) == ("split_digits-lwf", "train")
    assert (run["tags"], run["notes"]) == (["digits", "mine"], "first")
    assert run["resume"] is True
    config = run["config"]["update"]
    assert (config["strategy"], config["root"]) == ({"name": "lwf", "temperature": 2.0}, "/data")

    metrics = {metric["name"]: metric for metric in of_type(found, "metric")}
    hidden = {name for name, metric in metrics.items() if metric["options"].get("hidden")}
    assert hidden == {"task", "epoch", "iteration", "evaluation", "line"}
    axes = {name: metric.get("step_metric") for name, metric in metrics.items() if name not in hidden}
    assert axes == {
        "train/loss": "iteration",
        "train/loss/kd": "iteration",
        "epoch/loss": "epoch",
        "within/accuracy": "iteration",
        "round/lr": "evaluation",
        "task/accuracy/0": "task",
        "score/forgetting": "task",
        "accuracy": "task",
        "matrix": "task",
    }
    history = [item["item"] for item in of_type(found, "history")]
    first = {key: value for key, value in history[0].items() if not key.startswith("_")}
    assert first == {
        "train/loss": 0.5,
        "train/loss/kd": 0.25,
        "task": 0,
        "epoch": 1,
        "iteration": 7,
        "line": 1,
    }
    kinds = {item[key] for item in history for key in item if key.endswith("_type")}
    assert kinds == {"table-file", "image-file"}
    assert len(list((tracker.path / "files" / "media").rglob("*.*"))) == 2

    artifact = next(item for item in of_type(found, "artifact") if item["type"] == "model")
    assert artifact["name"] == "run-task-1"
    assert json.loads(artifact["metadata"]) == {"task": 1, "parents": [{"name": "a"}]}
    assert set(artifact["aliases"]) == {"latest", "task-1"}
    results = next(item for item in of_type(found, "artifact") if item["type"] == "results")
    assert [file["path"] for file in results["manifest"]["contents"]] == ["matrix.png", "model.bin"]
    table = next(item for item in of_type(found, "artifact") if item["type"] == "run_table")
    staged = Path(table["manifest"]["contents"][0]["local_path"])
    assert staged.is_file()
    assert staged.is_relative_to(folder)
    assert "WANDB_DATA_DIR" not in os.environ
    # The file itself and not a copy outside of the run folder.
    assert artifact["manifest"]["contents"][0]["local_path"] == str(folder / "model.bin")
    summary: dict[str, Any] = {}
    for update in of_type(found, "summary"):
        summary.update(update.get("update", {}))
    assert summary["average_accuracy"] == 0.75
    # The last and the best of each score beside the flat names of the end.
    assert summary["score/forgetting"] == {"last": 0.125, "min": 0.125}
    assert summary["task/accuracy/0"] == {"last": 0.75, "max": 0.75}
    assert exit_codes(found) == [0]

    lines = dict(tracker.closing())
    relative = str(tracker.path.relative_to(tmp_path))
    assert lines["W&B offline"] == relative
    assert shlex.split(lines["to upload"]) == ["wandb", "sync", relative]


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("interrupted", 255)])
def test_how_it_ended_is_recorded(
    status: Any, code: int, tmp_path: Path, run_info: MakeRun, records: Records
) -> None:
    tracker = WandbTracker(mode="offline")
    tracker.start(run_info(tmp_path))
    tracker.finish(status)
    tracker.finish(status)
    assert tracker.path is not None
    assert exit_codes(records(tracker.path)) == [code]


def test_a_resumed_run_has_the_same_id_and_both_parts_are_uploaded_in_order(
    tmp_path: Path, run_info: MakeRun, records: Records
) -> None:
    trackers = [WandbTracker(mode="offline"), WandbTracker(mode="offline")]
    for index, tracker in enumerate(trackers):
        tracker.start(run_info(tmp_path, resumed=index == 1))
        tracker.log({"x": index}, "task", {"task": index})
        tracker.finish("interrupted" if index == 0 else "finished")
    paths = [tracker.path for tracker in trackers if tracker.path is not None]
    assert len(set(paths)) == 2
    for path in paths:
        run = of_type(records(path), "run")[0]
        assert (run["run_id"], run["resume"]) == ("digits-lwf-s0", True)
    assert trackers[1].sync_command == f"wandb sync {shlex.quote(str(paths[0]))} {shlex.quote(str(paths[1]))}"
    # What `wandb sync` has uploaded it marks with a file, and that part is not named again.
    next(paths[0].glob("*.wandb")).with_suffix(".wandb.synced").touch()
    assert trackers[1].sync_command == f"wandb sync {shlex.quote(str(paths[1]))}"


def test_disabled_does_nothing_and_does_not_import_wandb(tmp_path: Path, run_info: MakeRun) -> None:
    code = (
        "import sys; from pathlib import Path; from lifelong_kd.tracking.base import RunInfo;"
        "from lifelong_kd.tracking.wandb import WandbTracker;"
        "t = WandbTracker(mode='auto');"
        f"t.start(RunInfo('n', Path({str(tmp_path)!r}), {{}}, 'i', 's', 'l', 'class', 0, 1));"
        "t.log({'x': 1}, 'task', {'task': 0}); t.summary({'x': 1}); t.finish('finished');"
        "print(t.mode, t.path, list(t.closing()), 'wandb' in sys.modules)"
    )
    environment = {**os.environ, "WANDB_MODE": "disabled"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.strip() == "disabled None [] False"
    assert not list(tmp_path.iterdir())


@pytest.fixture
def fresh_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """W&B reads its environment once a process: it is made to forget it before and after."""
    import wandb

    wandb.teardown()
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield monkeypatch
    wandb.teardown()


def test_no_server_means_offline_under_the_same_id(
    tmp_path: Path,
    run_info: MakeRun,
    records: Records,
    fresh_session: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tracker = WandbTracker(mode="auto", init_timeout=1.0)
    began = time.monotonic()
    tracker.start(run_info(tmp_path))
    assert time.monotonic() - began < 15
    tracker.log({"x": 1.5}, "task", {"task": 0})
    tracker.finish("finished")
    assert tracker.mode == "offline"
    assert tracker.path is not None
    found = records(tracker.path)
    assert of_type(found, "run")[0]["run_id"] == "digits-lwf-s0"
    assert of_type(found, "history")[0]["item"]["x"] == 1.5
    # The attempt to go online leaves nothing behind, and one line says what happened.
    assert [path.name for path in (tmp_path / "wandb").glob("*run-*")] == [tracker.path.name]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lifelong-kd:")]
    assert len(lines) == 1
    assert "logged offline" in lines[0]


def test_a_malformed_key_means_offline(
    tmp_path: Path, run_info: MakeRun, fresh_session: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh_session.setenv("WANDB_API_KEY", "short")
    tracker = WandbTracker(mode="online")
    tracker.start(run_info(tmp_path))
    tracker.finish("finished")
    assert tracker.mode == "offline"
    assert "key cannot be used" in capsys.readouterr().err


def test_no_question_is_asked_in_a_terminal(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lifelong_kd.tracking.base import RunInfo;"
        "from lifelong_kd.tracking.wandb import WandbTracker; t = WandbTracker(mode='online');"
        f"t.start(RunInfo('n', Path({str(tmp_path)!r}), {{}}, 'i', 's', 'l', 'class', 0, 1));"
        "t.finish('finished'); print(sys.stdin.isatty(), sys.stderr.isatty(), t.mode)"
    )
    master, terminal = pty.openpty()
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        answer, _ = process.communicate(timeout=60)
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert answer.decode().strip() == "True True offline"
    assert "there is no API key" in shown


CHILD = """
import sys, time
from pathlib import Path
from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import JsonlTracker
from lifelong_kd.tracking.wandb import WandbTracker

trackers = Trackers([JsonlTracker(), WandbTracker(mode="offline")])
trackers.start(RunInfo("n", Path(sys.argv[1]), {"a": 1}, "killed", "s", "l", "class", 0, 1))
for index in range(100_000):
    trackers.log({"time": time.time()}, "iteration", {"task": 0, "iteration": index})
    print(index, flush=True)
    time.sleep(0.05)
"""


def test_a_killed_run_loses_about_a_second(tmp_path: Path, records: Records) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=on_its_own()
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(2.5)
    process.send_signal(signal.SIGKILL)
    killed = time.time()
    last = int(process.stdout.read().split()[-1])
    process.wait()
    path = next((tmp_path / "wandb").glob("offline-run-*-killed"))
    found = records(path)
    history = [item["item"] for item in of_type(found, "history")]
    assert of_type(found, "run")[0]["config"]["update"]["a"] == 1
    assert [item["iteration"] for item in history] == list(range(len(history)))
    # The file is written out every second; the other ones are for a busy machine.
    assert killed - history[-1]["time"] < 3.0
    assert last >= 20
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) >= last + 1


def test_rows_are_what_they_were_when_they_were_logged(
    tmp_path: Path, run_info: MakeRun, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_DATA_DIR")
    tracker = WandbTracker(mode="offline")
    tracker.start(run_info(tmp_path))
    loss, step = torch.tensor(1.0), {"iteration": 1}
    tracker.log({"train/loss": loss}, "iteration", step)  # type: ignore[dict-item]
    loss += 1
    step["iteration"] = 2
    # A thread that changed the environment could surprise whoever reads it in this one.
    threads: list[int] = []

    def look(*_: Any) -> Any:
        threads.append(threading.get_ident())
        return staged_in(str(tmp_path))

    monkeypatch.setattr("lifelong_kd.tracking.wandb.tracker.staged_in", look)
    rows = [[0, 0, 0.5]]
    tracker.table("accuracy", ["after", "on", "accuracy"], rows, {"task": 0})
    rows[0][2] = 0.25
    (tmp_path / "model.bin").write_bytes(b"weights")
    tracker.artifact(tmp_path / "model.bin", "run-task-0", "model", {"task": 0})
    tracker.finish("finished")
    assert threads == [threading.get_ident()] * 2
    assert tracker.path is not None
    item = of_type(records(tracker.path), "history")[0]["item"]
    assert (item["train/loss"], item["iteration"]) == (1.0, 1)
    (table,) = (tracker.path / "files" / "media" / "table").glob("*.json")
    assert json.loads(table.read_text())["data"] == [[0, 0, 0.5]]


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from tests.tracking.conftest import make_run_info;"
        "from lifelong_kd.tracking.wandb import WandbTracker; t = WandbTracker(mode='offline');"
        f"t.start(make_run_info(Path({str(tmp_path / 'run')!r})));"
        "t.log({'x': 1.0}, 'task', {'task': 0}); t.finish('finished'); print(t.mode)"
    )
    environment = {
        name: value for name, value in on_its_own().items() if not re.fullmatch("WANDB_.*_DIR|XDG_.*", name)
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**environment, "HOME": "/dev/null"},
    )
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "offline", "")
