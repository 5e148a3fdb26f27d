"""Runs that fail half-way end with status 1 and a folder that can be resumed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, assert_same_run, listing, results, written


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    nursery.finish("run", written(folder / "config.yaml", LWF), "--out", folder / "run")
    return folder / "run"


def _status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


def test_a_loss_that_is_not_finite(nursery: Nursery, tmp_path: Path) -> None:
    config, run = written(tmp_path / "config.yaml", LWF), tmp_path / "run"
    for words in (("run", config, "optimizer.lr=1e20", "--out", run), ("resume", run)):
        ended = nursery.call(*words)
        assert ended.status == 1 and "Traceback" not in ended.said
        assert "error: the training loss became " in ended.said
        assert "in task 0, epoch 1. Lower optimizer.lr, set training.grad_clip" in ended.said
        assert _status(run) == "failed"


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ("1e25", "the model's outputs are no longer finite numbers"),
        ("3e38", "the model's outputs are no longer finite numbers"),
        (".inf", "the weights are no longer finite after epoch 1 of task 0"),
    ],
)
def test_what_the_last_step_of_a_task_broke(nursery: Nursery, tmp_path: Path, rate: str, said: str) -> None:
    """One step a task: its loss is that of the weights before it."""
    training = {"epochs": 1, "batch_size": 4096}
    config, run = written(tmp_path / "config.yaml", LWF, training=training), tmp_path / "run"
    ended = nursery.call("run", config, f"optimizer.lr={rate}", "--out", run)
    assert ended.status == 1 and "Traceback" not in ended.said, ended.said
    assert f"error: {said}. Lower optimizer.lr" in ended.said
    assert not list((run / "checkpoints").glob("*"))


@pytest.mark.parametrize("after", [0, 1, 5, 17])
def test_a_disk_that_is_full_when_files_are_flushed(
    nursery: Nursery, tmp_path: Path, whole: Path, after: int
) -> None:
    config, run = written(tmp_path / "config.yaml", LWF), tmp_path / "run"
    ended = nursery.call("run", config, "--out", run, disk=after)
    assert ended.status == 1 and "Traceback" not in ended.said, ended.said
    assert "could not be written: [Errno 28] No space left on device" in ended.said
    assert not [name for name in listing(run) if name.endswith(".part")]
    begun = (run / "config.yaml").exists()
    nursery.finish(*(("resume", run) if begun else ("run", config, "--out", run)))
    assert_same_run(run, whole)


@pytest.mark.parametrize("largest", [3000, 15000])
def test_files_that_cannot_grow(nursery: Nursery, tmp_path: Path, whole: Path, largest: int) -> None:
    """Half-written for real: first metrics.jsonl or a checkpoint reaches the limit of the process."""
    config, run = written(tmp_path / "config.yaml", LWF), tmp_path / "run"
    ended = nursery.call("run", config, "--out", run, largest=largest)
    assert ended.status == 1 and "Traceback" not in ended.said, ended.said
    assert "could not be written" in ended.said or "can no longer be written" in ended.said
    nursery.finish("resume", run)
    assert_same_run(run, whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 2 MB, or ``None`` where mounting one is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    yield place if mounted else None
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("room", [2000, 40_000, 110_000, 200_000])
def test_a_disk_that_fills_up(
    nursery: Nursery, tmp_path: Path, whole: Path, small_disk: Path | None, room: int
) -> None:
    """Where no disk can be mounted the limit on the size of a file stands for it."""
    config = written(tmp_path / "config.yaml", LWF)
    run = (small_disk or tmp_path) / "run"
    if small_disk is None:
        ended = nursery.call("run", config, "--out", run, largest=room // 8)
    else:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(2 * 2**20 - room))
        ended = nursery.call("run", config, "--out", run)
        ballast.unlink()
    assert ended.status == 1 and "Traceback" not in ended.said, ended.said
    begun = (run / "config.yaml").exists()
    nursery.finish(*(("resume", run) if begun else ("run", config, "--out", run)))
    assert_same_run(run, whole)


# ---- in a round ---------------------------------------------------------------------------------------------------

ROUNDS: dict[str, Any] = {
    **LWF,
    "stream": {"name": "split_digits", "experiences": 3},
    "training": {**LWF["training"], "epochs": 2, "batch_size": 128},
    "rounds": {"name": "search", "trials": 3},
}


def test_a_disk_that_is_full_in_a_round(nursery: Nursery, tmp_path: Path) -> None:
    """When a checkpoint is written inside the second round of a task, and when the controller writes its study."""
    config, whole = written(tmp_path / "config.yaml", ROUNDS), tmp_path / "whole"
    nursery.finish("run", config, "--out", whole)
    said = []
    for after in (16, 20, 24):
        run = tmp_path / f"run_{after}"
        ended = nursery.call("run", config, "--out", run, disk=after)
        assert ended.status == 1 and "Traceback" not in ended.said, ended.said
        assert "could not be written: [Errno 28] No space left on device" in ended.said
        assert ended.said.count("error: ") == 1
        assert _status(run) in ("failed", "running")  # where not even the status can be written any more
        nursery.finish("resume", run)
        assert_same_run(run, whole)
        said.append(ended.said.splitlines()[-1])
    assert any(
        "the controller Search failed in task" in line and ".journal could not be" in line for line in said
    ), said
    assert any("checkpoints/state_" in line for line in said), said


CONTROLLER = """
from lifelong_kd.rounds import register
from lifelong_kd.rounds.base import Controller, Proposal, Verdict


@register("fickle")
class Fickle(Controller):
    \"\"\"Two rounds, the better one stays.\"\"\"

    def first(self, view):
        return Proposal(why="as configured")

    def judge(self, view):
        if len(view.rounds) == 1:
            {fault}
            return Verdict(True, Proposal(lr=view.lr / 2, why="half the rate"), "the first")
        better = view.last.figures.average() > view.best.figures.average()
        return Verdict(better, None, "better" if better else "no better")
"""
FAULT = 'if view.task == 1: raise ZeroDivisionError("no luck")'


def test_a_controller_of_ones_own_that_raises_until_it_is_mended(nursery: Nursery, tmp_path: Path) -> None:
    file = tmp_path / "fickle.py"
    settings = {**ROUNDS, "imports": [str(file)], "rounds": {"name": "fickle"}}
    config, run, whole = written(tmp_path / "config.yaml", settings), tmp_path / "run", tmp_path / "whole"
    file.write_text(CONTROLLER.replace("{fault}", FAULT))
    for words in (("run", config, "--out", run), ("resume", run)):
        ended = nursery.call(*words)
        assert ended.status == 1 and "Traceback" not in ended.said, ended.said
        assert ended.said.endswith(
            "error: the controller Fickle failed in task 1, round 1: ZeroDivisionError: no luck."
            " The folder can be resumed, once that is mended.\n"
        ), ended.said
        assert ended.said.count("error: ") == 1 and _status(run) == "failed"
    file.write_text(CONTROLLER.replace("{fault}", "pass"))
    nursery.finish("resume", run)
    nursery.finish("run", config, "--out", whole)
    assert_same_run(run, whole)


def test_rounds_that_diverge(nursery: Nursery, tmp_path: Path) -> None:
    """One is passed over; if all do, the run fails in a sentence."""
    rates = {"rates": 1, "attempts": 1, "first_learning_rates": [1e20, 0.05]}
    settings = {**ROUNDS, "rounds": {"name": "plasticity_stability", **rates}}
    run = tmp_path / "run"
    said = nursery.finish("run", written(tmp_path / "config.yaml", settings), "--out", run).said
    assert "task 0 round 0: plasticity: rate 1e+20, 1 of 2; diverged -> rolled back: diverged\n" in said
    rounds = results(run)["per_task"][0]["rounds"]
    assert [(done["diverged"], done["kept"]) for done in rounds] == [(True, False), (False, True)]
    broken = tmp_path / "broken"
    ended = nursery.call(
        "run", tmp_path / "config.yaml", "rounds.first_learning_rates=[1e20,1e19]", "--out", broken
    )
    assert ended.status == 1 and "Traceback" not in ended.said, ended.said
    assert "error: no round of task 0 can be kept: the training loss became " in ended.said
    assert _status(broken) == "failed"
