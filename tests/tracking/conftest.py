"""What the tests of the trackers share: a run to track and a reader of W&B's own files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.tracking.base import RunInfo


def make_run_info(folder: Path, **changes: Any) -> RunInfo:
    values: dict[str, Any] = {
        "name": "digits lwf 0",
        "folder": folder,
        "config": {"seed": 0, "strategy": {"name": "lwf", "temperature": 2.0}, "root": Path("/data")},
        "run_id": "digits-lwf-s0",
        "stream": "split_digits",
        "strategy": "lwf",
        "scenario": "class",
        "seed": 0,
        "tasks": 5,
        "group": "split_digits-lwf",
        "tags": ("digits",),
    }
    return RunInfo(**{**values, **changes})


def on_its_own() -> dict[str, str]:
    """The environment of a child that is to have a W&B service of its own, which ends with it."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All records of the W&B run in ``folder`` as the SDK's own reader gives them, each with its ``type``."""
    from wandb.util import get_core_path

    file = next(folder.glob("run-*.wandb"))
    command = [
        get_core_path(),
        "leet",
        "inspect",
        "-no-observability",
        "-json",
        "-run-file",
        str(file),
        str(folder),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in result.stdout.splitlines() if line.strip()]


@pytest.fixture
def run_info() -> Callable[..., RunInfo]:
    """``run_info(folder, **changes)``: a run in ``folder``."""
    return make_run_info


@pytest.fixture
def records() -> Callable[[Path], list[dict[str, Any]]]:
    """``records(folder)``: what is in a W&B run's file."""
    return read_records
