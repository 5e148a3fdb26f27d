"""Where a W&B run lies on disk, and how it is uploaded from there."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lifelong_kd.tracking.wandb.history import Part

__all__ = ["complete_command", "fragments", "short", "staged_in", "sync_command"]


def fragments(folder: Path, identity: str) -> list[Path]:
    """The folders W&B has made for a run, oldest first: one for each time it was started.

    Args:
        folder: the run folder.
        identity: the run's W&B id.
    """
    # The SDK adds a number where two parts were started within a second.
    name = re.compile(rf"(?:offline-)?run-(\d+_\d+)-{re.escape(identity)}(?:-(\d+))?")
    matches = [(name.fullmatch(part.name), part) for part in (folder / "wandb").glob("*run-*")]
    return [part for *_, part in sorted((m[1], int(m[2] or 0), part) for m, part in matches if m is not None)]


def sync_command(parts: Sequence[Part]) -> str | None:
    """The command that uploads the parts of a run that were made offline, oldest first; ``None`` if there are none.

    Each is put behind what the server has. One whose process was killed before the SDK had written anything is left
    out. So are parts that were made online: of those the server lacks the end at most, and ``wandb sync`` would put
    the whole of them behind it once more. ``complete_command`` is for them.
    """
    waiting = [part for part in parts if part.offline and part.begun and not part.uploaded]
    if not waiting:
        return None
    return " ".join(["wandb", "sync", *(shlex.quote(short(part.folder)) for part in waiting)])


def complete_command(folder: Path, parts: Sequence[Part]) -> str | None:
    """The command that logs what the server lacks of the parts that were made online; ``None`` if it has them whole.

    Args:
        folder: the run folder.
        parts: every part of the run.
    """
    if not any(part.begun and not part.offline and not part.uploaded for part in parts):
        return None
    return f"lifelong-kd wandb sync {shlex.quote(short(folder))}"


def short(path: Path) -> str:
    """The path as one would type it here.

    >>> short(Path.cwd() / "runs" / "a")
    'runs/a'
    """
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


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
