"""Jobs that cost next to nothing, and folders that look like runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lifelong_kd.config.load import load_config
from lifelong_kd.study.plan import Job

CONFIG = "stream: split_digits\nmodel: mlp\nstrategy: naive\n"


def job(folder: Path, name: str, code: str | None, groups: tuple[str, ...] = ()) -> Job:
    """A job that runs Python code; ``None`` for one that is finished."""
    command = None if code is None else (sys.executable, "-S", "-c", code)
    return Job(name, folder / name, command, folder / "logs" / f"{name}.log", groups)


def pretend(folder: Path, status: str, config: Path | str = CONFIG, overrides: Sequence[str] = ()) -> None:
    """Make a folder look like a run of a configuration that came to ``status``."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(config, Path):
        (folder / "config.yaml").write_text(load_config(config, overrides).dump())
    else:
        (folder / "config.yaml").write_text(config)
    about = {"strategy": "naive", "stream": "split_digits", "scenario": "class", "seed": 0}
    (folder / "results.json").write_text(json.dumps({"status": status, **about}))
    (folder / "run.json").write_text(json.dumps({"status": status}))
