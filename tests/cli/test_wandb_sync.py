"""``lifelong-kd wandb sync`` with real offline runs, against a server on this machine."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import wandb
from click.testing import CliRunner, Result

from lifelong_kd.cli import main
from lifelong_kd.core.errors import RunFailed
from lifelong_kd.tracking.base import RunInfo, Status
from lifelong_kd.tracking.wandb import WandbTracker
from lifelong_kd.tracking.wandb.sync import find_unsent, need_server, upload, waiting
from lifelong_kd.training.folder import RunFolder
from tests.standin.server import Server


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["wandb", "sync", *map(str, arguments)])


def log_part(folder: Path, identity: str, part: int, status: Status) -> None:
    """One start of a run: a point of its task, and the model after it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text("{}")
    tracker = WandbTracker(mode="offline")
    config = {"seed": 3, "strategy": {"name": "lwf"}}
    about = (identity, "split_digits", "lwf", "class", 3, 2)
    tracker.start(RunInfo(f"run {identity}", folder, config, *about, resumed=part > 0, logged=part))
    tracker.log({"score/average_accuracy": 0.5 + part / 4}, "task", {"task": part})
    model = folder / f"task_{part}.safetensors"
    model.write_bytes(b"weights %d" % part)
    tracker.artifact(model, f"{identity}-task-{part}", "model", {"task": part, "digest": f"d{part}"})
    tracker.finish(status)
    # The SDK's service writes the last of a file when it goes.
    wandb.teardown()


def test_a_study_is_uploaded_with_both_parts_of_a_resumed_run(wandb_server: Server, tmp_path: Path) -> None:
    study = tmp_path / "study"
    log_part(study / "a", "aaaa", 0, "interrupted")
    log_part(study / "a", "aaaa", 1, "finished")
    log_part(study / "b", "bbbb", 0, "failed")
    assert wandb_server.operations == []

    done = call(study, study / "a")
    assert done.exit_code == 0, done.output
    assert f"{study / 'a'}: 2 parts uploaded\n{study / 'b'}: 1 part uploaded\n" in done.output
    first, second = (wandb_server.state.run(name) for name in ("aaaa", "bbbb"))
    assert [line["score/average_accuracy"] for line in first.history if "score/average_accuracy" in line] == [
        0.5,
        0.75,
    ]
    assert [line["_step"] for line in first.history] == list(range(len(first.history)))
    assert first.config["strategy"]["name"] == "lwf"
    assert (first.display_name, first.group) == ("run aaaa", "split_digits-class-lwf")
    assert (first.state, first.exit_code) == ("finished", 0)
    assert (second.state, second.exit_code) == ("failed", 1)
    for task in (0, 1):
        artifact = wandb_server.state.artifact(f"aaaa-task-{task}")
        assert artifact is not None
        assert (artifact.maker, artifact.metadata["digest"]) == (first, f"d{task}")
        (content,) = (wandb_server.state.stored[key] for key in artifact.files.values())
        assert content == b"weights %d" % task

    before = len(first.history)
    again = call(study)
    assert again.exit_code == 0
    assert "nothing to upload" in again.output
    assert len(first.history) == before


def test_one_that_fails_does_not_stop_the_others(wandb_server: Server, tmp_path: Path) -> None:
    log_part(tmp_path / "a", "aaaa", 0, "finished")
    log_part(tmp_path / "b", "bbbb", 0, "finished")
    (part,) = waiting(tmp_path / "a")
    next(part.glob("*.wandb")).write_bytes(b"no transaction log at all")
    done = call(tmp_path)
    assert done.exit_code == 1
    assert f"{tmp_path / 'a'}: not uploaded: " in done.output
    assert f"{tmp_path / 'b'}: 1 part uploaded" in done.output
    assert "1 of 2 runs could not be uploaded; everything stays on disk" in done.output
    assert [run.name for run in wandb_server.state.runs] == ["bbbb"]


def test_what_the_server_says_is_shown(wandb_server: Server, tmp_path: Path) -> None:
    log_part(tmp_path / "a", "aaaa", 0, "finished")
    wandb_server.fault = "forbidden"
    done = call(tmp_path / "a")
    assert done.exit_code == 1
    assert "a: not uploaded: " in done.output
    assert "permission denied" in done.output
    assert "the run could not be uploaded" in done.output
    # A server that takes the request and says nothing is given up.
    wandb_server.fault = "stall"
    began = time.monotonic()
    assert upload(waiting(tmp_path / "a"), timeout=1.0) == "the W&B server did not take it within 1 s"
    with pytest.raises(RunFailed, match="does not answer; everything stays on disk"):
        need_server(timeout=0.5)
    assert time.monotonic() - began < 10
    wandb_server.fault = None
    assert call(tmp_path / "a").exit_code == 0


def test_no_key_no_server_no_run(
    wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_part(tmp_path / "a", "aaaa", 0, "finished")
    for path, message in (
        (tmp_path / "none", "none is not there"),
        (tmp_path / "a" / "wandb", "there is no run in"),
    ):
        done = call(path)
        assert (done.exit_code, message in done.output) == (2, True), done.output

    wandb_server.die()
    done = call(tmp_path / "a")
    assert done.exit_code == 1
    assert f"the W&B server {wandb_server.url} does not answer" in done.output

    wandb.teardown()
    monkeypatch.delenv("WANDB_API_KEY")
    done = call(tmp_path / "a")
    assert done.exit_code == 2
    assert "there is no W&B API key: run `wandb login`, or set WANDB_API_KEY" in done.output
    assert waiting(tmp_path / "a")


def test_what_is_going_on_or_never_began_is_left_out(wandb_server: Server, tmp_path: Path) -> None:
    log_part(tmp_path / "a", "aaaa", 0, "finished")
    folder = RunFolder(tmp_path / "a")
    folder.lock()
    try:
        done = call(tmp_path)
    finally:
        folder.unlock()
    assert done.exit_code == 0
    assert "is going on, so it is left out" in done.output
    assert wandb_server.operations == []

    (part,) = waiting(tmp_path / "a")
    next(part.glob("*.wandb")).write_bytes(b":W&B\x00\x00\x00")
    assert find_unsent(tmp_path) == [tmp_path / "a"]
    assert waiting(tmp_path / "a") == []
    shutil.rmtree(tmp_path / "a" / "wandb")
    assert find_unsent(tmp_path) == []
    assert "nothing to upload" in call(tmp_path).output
