"""Where a W&B run lies on disk, how it is uploaded from there, and what may be written to it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lifelong_kd.tracking.base import RunInfo, number

__all__ = ["fragments", "plain", "short", "staged_in", "sync_command"]


def fragments(run: RunInfo) -> list[Path]:
    """The folders W&B has made for this run, oldest first: one for each time it was started."""
    # The SDK adds a number where two parts were started within a second.
    name = re.compile(rf"(?:offline-)?run-(\d+_\d+)-{re.escape(run.run_id)}(?:-(\d+))?")
    matches = [(name.fullmatch(part.name), part) for part in (run.folder / "wandb").glob("*run-*")]
    return [part for *_, part in sorted((m[1], int(m[2] or 0), part) for m, part in matches if m is not None)]


def sync_command(run: RunInfo, left: Path | None) -> str | None:
    """The command that uploads the run's offline parts that are not uploaded yet, and ``left``; or ``None``.

    ``left`` is the present part, unless the server has all of it. The parts are in the order they were made
    in: they have one id, and each goes on where the one before ends. A part whose process was killed before the SDK
    had written anything is left out.
    """
    name = None if left is None else left.name
    parts = [part for part in fragments(run) if part.name.startswith("offline-") or part.name == name]
    begun = [part for part in parts if any(part.glob("*.wandb")) and not any(part.glob("*.synced"))]
    paths = [shlex.quote(short(part)) for part in begun]
    return " ".join(["wandb", "sync", *paths]) if paths else None


def short(path: Path) -> str:
    """The path as one would type it here.

    >>> short(Path.cwd() / "runs" / "a")
    'runs/a'
    """
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def plain(value: object) -> Any:
    """Nested data with strings for whatever JSON has no word for, such as a path.

    >>> plain({"root": Path("data"), 1: (2, 3)})
    {'root': 'data', '1': [2, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    value = number(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


@contextmanager
def staged_in(folder: str) -> Iterator[None]:
    """Inside, the SDK keeps the files that it makes itself in ``folder`` and not in the user's home.

    An offline run needs them when it is uploaded, which may be long after. ``WANDB_DATA_DIR`` goes first.
    """
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = os.path.join(os.path.abspath(folder), "data")
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
