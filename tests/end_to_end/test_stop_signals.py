"""Ctrl-C and SIGTERM: a sentence, status 130, and a folder that can be resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import LWF, ROOT, Nursery, assert_same_run, metrics, written

LONGER = {**LWF["training"], "epochs": 12}


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    config = written(folder / "config.yaml", LWF, training=LONGER)
    nursery.finish("run", config, "--out", folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")], ids=["SIGINT", "SIGTERM"]
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    nursery: Nursery, tmp_path: Path, whole: Path, number: signal.Signals, word: str
) -> None:
    config, run, journal = (
        written(tmp_path / "config.yaml", LWF, training=LONGER),
        tmp_path / "run",
        tmp_path / "j",
    )
    pid = nursery.start("run", config, "--out", run, journal=str(journal))
    while not journal.exists() or "[70, null]" not in journal.read_text():
        time.sleep(0.005)
    os.kill(pid, number)
    ended = nursery.wait(pid)
    assert ended.status == 130
    assert ended.said.endswith(f"error: stopped by {word}. Go on with: lifelong-kd resume {run}\n")
    assert "Traceback" not in ended.said
    nursery.finish("resume", run)
    assert_same_run(run, whole)


def test_ctrl_c_in_a_later_round(nursery: Nursery, tmp_path: Path) -> None:
    rounds = {"name": "balance", "budget": 3, "noise": 0.0}
    config = written(tmp_path / "config.yaml", {**LWF, "rounds": rounds}, training=LONGER)
    run, whole, journal = tmp_path / "run", tmp_path / "whole", tmp_path / "j"
    nursery.finish("run", config, "--out", whole)
    judged = [line for line in metrics(whole) if "round/index" in line["values"] and line["task"] == 1]
    at = (judged[0]["iteration"] + judged[1]["iteration"]) // 2
    pid = nursery.start("run", config, "--out", run, journal=str(journal))
    while not journal.exists() or f"[{at}, null]" not in journal.read_text():
        time.sleep(0.005)
    os.kill(pid, signal.SIGINT)
    ended = nursery.wait(pid)
    assert ended.status == 130 and "Traceback" not in ended.said
    assert ended.said.endswith(f"error: stopped by Ctrl-C. Go on with: lifelong-kd resume {run}\n")
    nursery.finish("resume", run)
    assert_same_run(run, whole)


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return {**own, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def test_the_real_command_and_its_helpers_at_a_terminal(
    nursery: Nursery, tmp_path: Path, whole: Path
) -> None:
    """A terminal sends Ctrl-C to every process of the group, W&B's own included."""
    tracking = {"wandb": {"mode": "offline"}}
    config = written(tmp_path / "config.yaml", LWF, training=LONGER, tracking=tracking)
    run = tmp_path / "run"
    words = [sys.executable, "-m", "lifelong_kd", "run", str(config), "--out", str(run)]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(),
        start_new_session=True,
    )
    metrics = run / "metrics.jsonl"
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert said.endswith(f"error: stopped by Ctrl-C. Go on with: lifelong-kd resume {run}\n")
    nursery.finish("resume", run)
    assert_same_run(run, whole)


def test_ctrl_c_while_everything_is_imported(tmp_path: Path) -> None:
    """At four places between the first import of ours and the last of W&B."""
    config = written(tmp_path / "config.yaml", LWF)
    words = [sys.executable, "-X", "importtime", "-m", "lifelong_kd", "run", str(config)]
    for module in ("lifelong_kd.cli", "pydantic_core", "torch._tensor", "avalanche.benchmarks.utils.data"):
        process = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            cwd=tmp_path,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
                break
        said = [line for line in process.stderr if not line.startswith("import time:")]
        assert process.wait(60) == 130, f"{module}: {said}"
        assert "".join(said) == "stopped\n", module
        process.stderr.close()
    assert not (tmp_path / "runs").exists()
