"""Where an exported file goes: a name that is free, and a file that is there whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifelong_kd.core.errors import BadCall, RunFailed

__all__ = ["model_of", "whole"]


def model_of(run: Path, task: int) -> Path:
    """The file in which ``run`` keeps the model after ``task``.

    Raises:
        BadCall: if it has none.
    """
    source = run / "checkpoints" / f"task_{task}.safetensors"
    if not source.is_file():
        there = sorted(
            int(found[1])
            for file in (run / "checkpoints").glob("task_*.safetensors")
            if (found := re.fullmatch(r"task_(\d+)\.safetensors", file.name))
        )
        known = f"it has them for tasks {', '.join(map(str, there))}" if there else "it has none of any task"
        raise BadCall(f"{run} has no model after task {task}: {known}")
    return source


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to, which takes its name when all went well and is removed otherwise.

    Raises:
        BadCall: if there is a file at ``path`` already.
        RunFailed: if the disk is full or cannot be written.
    """
    if path.exists():
        raise BadCall(f"{path} is there already; give another --out")
    # What writes it may look at the ending.
    beside = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise RunFailed(f"{path} could not be written: {error}") from error
