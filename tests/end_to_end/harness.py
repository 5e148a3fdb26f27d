"""What these tests share: a way to run the command line in processes, and to compare what runs leave behind."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

import lifelong_kd
from lifelong_kd.training.families.cost import Cost
from lifelong_kd.training.interrupt import Interrupted

ROOT = Path(lifelong_kd.__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent

LWF: dict[str, Any] = {
    "stream": {"name": "split_digits", "experiences": 5},
    "model": {"name": "mlp", "hidden": [24], "dropout": 0.1, "head": {"name": "linear", "grow": True}},
    "strategy": {"name": "lwf", "temperature": 2.0, "weight": 1.0},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "training": {"epochs": 3, "batch_size": 64, "checkpoint_every": 1},
    "tracking": {"wandb": {"mode": "disabled"}, "console": "plain", "log_every": 2},
    "device": "cpu",
}
"""A growing head, momentum, dropout, and a checkpoint after every epoch."""


@dataclass
class Ended:
    """How a process ended: exit status (negative for a signal) and everything it said."""

    status: int
    said: str


class Nursery:
    """Speaks with ``nursery.py``."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "nursery.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # W&B's background service belongs to this process: a run that is killed must not leave its id open there.
            env={
                **{name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"},
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
            },
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._ready = False
        self._outputs: dict[int, Path] = {}

    def _ask(self, **request: Any) -> int:
        if not self._ready:
            assert self._answers.readline() == "ready\n"
            self._ready = True
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return int(self._answers.readline())

    def start(self, *arguments: object, folder: Path | None = None, **more: Any) -> int:
        """Start the command line; the process id. ``more`` is what ``nursery.py`` patches into it."""
        self.count += 1
        output = self.place / f"output_{self.count}.txt"
        words = [str(argument) for argument in arguments]
        place = str(folder or self.place)
        pid = self._ask(do="start", arguments=words, output=str(output), folder=place, **more)
        self._outputs[pid] = output
        return pid

    def wait(self, pid: int) -> Ended:
        status = self._ask(do="wait", pid=pid)
        return Ended(status, self._outputs.pop(pid).read_text(encoding="utf-8"))

    def call(self, *arguments: object, **more: Any) -> Ended:
        """Start the command line and wait for its end."""
        return self.wait(self.start(*arguments, **more))

    def finish(self, *arguments: object, **more: Any) -> Ended:
        """The same, for a call that has to succeed."""
        ended = self.call(*arguments, **more)
        assert ended.status == 0, ended.said
        return ended

    def close(self) -> None:
        self._requests.close()
        self._process.wait(30)
        self._answers.close()


def written(path: Path, settings: Mapping[str, Any], **sections: Mapping[str, Any]) -> Path:
    """``settings`` as a file, single keys of its sections changed; the path."""
    changed = {**settings, **{name: {**settings.get(name, {}), **more} for name, more in sections.items()}}
    path.write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
    return path


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with size and time of the last change."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def without_times(value: Any) -> Any:
    """Nested data without what a clock or the machine has a say in, or who the run is."""
    if isinstance(value, dict):
        left = {"seconds", "task_seconds", "time", "cost", "run_id", *Cost.varies}
        return {
            key: without_times(item) for key, item in value.items() if str(key).rpartition("/")[2] not in left
        }
    return [without_times(item) for item in value] if isinstance(value, list) else value


def results(run: Path) -> dict[str, Any]:
    data: dict[str, Any] = without_times(json.loads((run / "results.json").read_text(encoding="utf-8")))
    return data


def metrics(run: Path) -> list[Any]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [without_times(json.loads(line)) for line in lines]


def weights(run: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The model after each task."""
    return {path.name: load_file(path) for path in sorted((run / "checkpoints").glob("task_*.safetensors"))}


def last_state(run: Path) -> Any:
    """The last checkpoint."""
    pointer = json.loads((run / "checkpoints" / "latest.json").read_text(encoding="utf-8"))
    state = torch.load(run / "checkpoints" / pointer["file"], weights_only=True)
    state["ledger"] = without_times(state["ledger"])
    return state


def differing(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two nested values differ, bit for bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        same = alike and torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=one.is_floating_point())
        return [] if same else [where]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = list({**one, **other})
        missing = [f"{where}.{key}" for key in keys if key not in one or key not in other]
        both = [key for key in keys if key in one and key in other]
        return missing + [at for key in both for at in differing(one[key], other[key], f"{where}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [at for number, (a, b) in pairs for at in differing(a, b, f"{where}[{number}]")]
    return [] if type(one) is type(other) and one == other else [where]


def assert_same_run(run: Path, whole: Path) -> None:
    """Results, weights after each task, last checkpoint and metrics, bit for bit; and nothing left lying about."""
    assert differing(results(run), results(whole)) == []
    assert differing(weights(run), weights(whole)) == []
    assert differing(last_state(run), last_state(whole)) == []
    assert metrics(run) == metrics(whole)
    # W&B's own files, and the pictures that are drawn for it after each task.
    files, expected = (
        {name for name in listing(folder) if not f"{name}/".startswith(("wandb/", "plots/accuracy_matrix/"))}
        for folder in (run, whole)
    )
    assert files == expected
    assert json.loads((run / "run.json").read_text())["status"] == "finished"


def stop_in_task(experiment: Any, task: int) -> None:
    """Have a run stop, as by SIGTERM, when it begins to train on a task."""
    train, calls = experiment.engine.train, itertools.count()

    def stopping(*args: Any, **options: Any) -> Any:
        if next(calls) == task:
            raise Interrupted("SIGTERM")
        return train(*args, **options)

    experiment.engine.train = stopping
