"""Online runs, against a W&B server on this machine: what arrives, what a death costs, who taught whom."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import JsonlTracker, truncate
from lifelong_kd.tracking.wandb import WandbTracker
from lifelong_kd.tracking.wandb.complete import complete
from tests.standin.artifacts import put_artifact
from tests.standin.server import Server
from tests.tracking.conftest import on_its_own

MakeRun = Callable[..., RunInfo]
ROOT = Path(__file__).parents[2]

CHILD = """
import sys, time
from pathlib import Path
from tests.tracking.conftest import make_run_info
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import JsonlTracker
from lifelong_kd.tracking.wandb import WandbTracker

tracker = WandbTracker()
trackers = Trackers([JsonlTracker(), tracker])
trackers.start(make_run_info(Path(sys.argv[1])))
print(tracker.mode, flush=True)
for index in range(1, 16):
    if index == 11:
        sys.stdin.readline()
    trackers.log({"train/loss": 1 / index}, "iteration", {"iteration": index})
time.sleep(1.5)
print("written", flush=True)
time.sleep(60)
"""


def tracked(run: RunInfo, **options: Any) -> WandbTracker:
    tracker = WandbTracker(mode="auto", init_timeout=10.0, **options)
    tracker.start(run)
    assert tracker.mode == "online"
    return tracker


def log(tracker: WandbTracker | Trackers, numbers: range) -> None:
    for index in numbers:
        tracker.log({"train/loss": 1 / index}, "iteration", {"iteration": index})


def points(server: Server) -> list[tuple[int, float]]:
    return [(line["line"], line["train/loss"]) for line in server.lines]


def expected(numbers: range) -> list[tuple[int, float]]:
    return [(index, 1 / index) for index in numbers]


def sync(command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("wandb")), *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_an_online_run_reaches_the_server(tmp_path: Path, run_info: MakeRun, wandb_server: Server) -> None:
    tracker = tracked(run_info(tmp_path))
    log(tracker, range(1, 4))
    tracker.finish("failed")
    assert points(wandb_server) == expected(range(1, 4))
    assert wandb_server.exit_code == 1
    run = wandb_server.state.run("digits-lwf-s0")
    assert (run.group, run.job_type, run.tags) == ("split_digits-lwf", "train", ["digits"])
    assert run.config["strategy"] == {"name": "lwf", "temperature": 2.0}
    assert tracker.closing() == [("W&B", tracker.url)]
    assert tracker.url is not None
    assert tracker.url.endswith("/runs/digits-lwf-s0")
    assert wandb_server.failures == []


def killed(folder: Path, server: Server) -> None:
    """A run of 15 lines that is killed when the server has had 10 of them."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        # The SDK sends what there is every 15 s; here it may not be that long.
        env={**on_its_own(), "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"online"
    until = time.monotonic() + 30
    while not server.state.runs or len(server.lines) < 10:
        assert time.monotonic() < until, "the server has not got the first lines"
        time.sleep(0.05)
    server.fault = "broken"
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() == b"written"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    server.fault = None
    assert points(server) == expected(range(1, 11))


def test_a_killed_run_goes_on_behind_what_the_server_has(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server
) -> None:
    killed(tmp_path, wandb_server)
    truncate(tmp_path, 13)
    tracker = WandbTracker()
    trackers = Trackers([JsonlTracker(), tracker])
    trackers.start(run_info(tmp_path, resumed=True, logged=13))
    log(trackers, range(14, 21))
    trackers.finish("finished")
    assert points(wandb_server) == expected(range(1, 21))
    assert wandb_server.exit_code == 0
    assert tracker.sync_command is None


def test_what_a_server_lacks_is_completed(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(tmp_path, wandb_server)
    about = {"name": "digits lwf 0", "run_id": "digits-lwf-s0", "status": "finished"}
    (tmp_path / "run.json").write_text(json.dumps(about))
    # Seconds to wait for the server that is dead in the end; the living one takes a fraction of one.
    options = {"tags": ["digits"], "init_timeout": 6}
    settings = {"seed": 0, "stream": {"name": "split_digits"}, "tracking": {"wandb": options}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    truncate(tmp_path, 13)
    tracker = WandbTracker(mode="offline")
    trackers = Trackers([JsonlTracker(), tracker])
    trackers.start(run_info(tmp_path, resumed=True, logged=13))
    log(trackers, range(14, 21))
    trackers.summary({"average_accuracy": 0.75})
    trackers.finish("finished")
    # 11 to 13 are in a file that may not be uploaded, 16 to 20 in one that is still to be: 14 and 15 are in the first.
    assert [label for label, _ in tracker.closing()] == ["W&B offline", "to upload", "to complete"]
    assert tracker.sync_command is not None
    sync(tracker.sync_command)
    assert complete(tmp_path).endswith("/runs/digits-lwf-s0")
    assert sorted(points(wandb_server)) == expected(range(1, 21))
    run = wandb_server.state.run("digits-lwf-s0")
    assert (run.state, run.summary["average_accuracy"], run.tags) == ("finished", 0.75, ["digits"])
    assert [label for label, _ in tracker.closing()] == ["W&B offline"]
    # Once more there is nothing to do, and without a server nothing is left behind.
    complete(tmp_path)
    assert len(points(wandb_server)) == 20
    wandb_server.die()
    before = sorted((tmp_path / "wandb").iterdir())
    with pytest.raises(BadCall, match="cannot be reached"):
        complete(tmp_path, finish_timeout=1.0)
    assert sorted((tmp_path / "wandb").iterdir()) == before
    with pytest.raises(BadCall, match="holds no run"):
        complete(tmp_path / "elsewhere")


def test_offline_and_then_online_is_whole_when_all_is_uploaded(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server
) -> None:
    for mode, numbers in (("offline", range(1, 6)), ("auto", range(6, 9))):
        tracker = WandbTracker(mode=mode)  # type: ignore[arg-type]
        trackers = Trackers([JsonlTracker(), tracker])
        trackers.start(run_info(tmp_path, resumed=mode == "auto", logged=numbers.start - 1))
        log(trackers, numbers)
        trackers.finish("interrupted")
    assert points(wandb_server) == expected(range(6, 9))
    assert tracker.sync_command is not None
    sync(tracker.sync_command)
    assert sorted(points(wandb_server)) == expected(range(1, 9))


def test_a_server_that_dies_does_not_hold_up_the_end(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = tracked(run_info(tmp_path), finish_timeout=1.0)
    log(tracker, range(1, 4))
    wandb_server.die()
    began = time.monotonic()
    Trackers([tracker]).finish("finished")
    assert time.monotonic() - began < 10
    assert "did not take the whole run within 1 s" in capsys.readouterr().err
    assert tracker.path is not None
    # Uploaded as a whole it would double what the server has.
    assert tracker.sync_command is None
    command = f"lifelong-kd wandb sync {shlex.quote(str(tmp_path))}"
    assert list(tracker.closing())[1:] == [("to complete", command)]


def test_the_graph_shows_who_taught_whom(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    put_artifact(wandb_server.state, "others/teacher", {"model.bin": b"large"}, {})
    tracker = tracked(run_info(tmp_path))
    parents: list[dict[str, str]] = [
        {"name": "someone/others/teacher:latest", "digest": "d", "role": "teacher kd"}
    ]
    for task in range(3):
        (tmp_path / f"{task}.bin").write_bytes(b"weights %d" % task)
        about = {"task": task, "digest": f"d{task}", "parents": parents}
        tracker.artifact(tmp_path / f"{task}.bin", f"run:task-{task}", "model", about)
        own = {"name": f"run:task-{task}", "digest": f"d{task}"}
        parents = [{**own, "role": "student"}, {**own, "role": "teacher kd"}]
    for name in ("config.yaml", "results.json"):
        (tmp_path / name).write_text(name)
    tracker.artifact([tmp_path / "config.yaml", tmp_path / "results.json"], "run-results", "results", {})
    tracker.finish("finished")
    state = wandb_server.state
    assert [used.name for used in state.run("digits-lwf-s0").used] == ["teacher", "run-task-0", "run-task-1"]
    second = state.artifact("run-task-1:task-1")
    assert second is not None
    assert second.aliases == {"latest", "task-1"}
    assert [parent["role"] for parent in second.metadata["parents"]] == ["student", "teacher kd"]
    results = state.artifact("run-results:latest")
    assert results is not None
    assert (results.type, sorted(results.files)) == ("results", ["config.yaml", "results.json"])
    assert wandb_server.failures == []
    assert capsys.readouterr().err == ""


def test_a_parent_of_an_earlier_start_is_found_and_a_missing_one_is_said_once(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.bin").write_bytes(b"weights")
    first = tracked(run_info(tmp_path))
    first.artifact(tmp_path / "m.bin", "run-task-0", "model", {"task": 0, "digest": "d0"})
    first.finish("interrupted")
    (tmp_path / "m.bin").write_bytes(b"others")
    second = tracked(run_info(tmp_path, resumed=True))
    names = ["someone/others/gone:v3", "gone-too", "run-task-0"]
    parents = [{"name": name, "digest": "d", "role": "student"} for name in names]
    second.artifact(
        tmp_path / "m.bin", "run-task-1", "model", {"task": 1, "digest": "d1", "parents": parents}
    )
    second.finish("finished")
    assert [used.name for used in wandb_server.state.run("digits-lwf-s0").used] == ["run-task-0"]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lifelong-kd:")]
    assert len(said) == 1
    assert "someone/others/gone:v3" in said[0]


def test_an_agent_gets_the_run_that_it_waits_for(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    monkeypatch.setenv("WANDB_PROJECT", "swept")
    wandb.teardown()
    tracker = tracked(run_info(tmp_path))
    log(tracker, range(1, 3))
    tracker.finish("finished")
    assert [run.path for run in wandb_server.state.runs] == ["someone/swept/given"]
    assert points(wandb_server) == expected(range(1, 3))
    # Resumed without the agent, it is still that run.
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name)
    wandb.teardown()
    (tmp_path / "metrics.jsonl").touch()
    tracker = tracked(run_info(tmp_path, resumed=True, logged=2))
    log(tracker, range(3, 5))
    tracker.finish("finished")
    assert points(wandb_server) == expected(range(1, 5))


def test_a_row_that_was_lost_is_completed(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = WandbTracker()
    trackers = Trackers([JsonlTracker(), tracker])
    trackers.start(run_info(tmp_path))
    log(trackers, range(1, 3))

    def fails(*_: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as full:
        full.setattr(tracker, "_define", fails)
        log(trackers, range(3, 5))
        trackers.table("rounds", ["a"], [[1]], {"task": 0})
    log(trackers, range(5, 7))
    trackers.finish("finished")
    assert [label for label, _ in tracker.closing()] == ["W&B", "to complete"]
    for name, text in (
        ("run.json", {"name": "n", "run_id": "digits-lwf-s0", "status": "finished"}),
        ("config.yaml", {}),
    ):
        (tmp_path / name).write_text(json.dumps(text))
    complete(tmp_path)
    assert sorted(points(wandb_server)) == expected(range(1, 7))


def test_a_server_that_takes_too_long_is_said(
    tmp_path: Path, run_info: MakeRun, wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path, wandb_server)
    (tmp_path / "run.json").write_text(json.dumps({"name": "n", "run_id": "digits-lwf-s0"}))
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    starts = WandbTracker.start

    def start(tracker: WandbTracker, run: RunInfo) -> None:
        starts(tracker, run)
        wandb_server.fault = "broken"

    with monkeypatch.context() as breaking:
        breaking.setattr(WandbTracker, "start", start)
        with pytest.raises(BadCall, match="did not take it within 1 s"):
            complete(tmp_path, finish_timeout=1.0)
    wandb_server.fault = None
    complete(tmp_path)
    assert sorted(points(wandb_server)) == expected(range(1, 16))


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_what_is_no_run_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(BadCall, match="holds no run that can be read"):
        complete(tmp_path)
