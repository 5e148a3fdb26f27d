"""Runs that fail half-way end with status 1 and a folder that can be resumed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import LWF, Nursery, assert_same_run, listing, written


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
