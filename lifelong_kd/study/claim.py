"""Whose a cell is: a lock that lives as long as the process that runs the cell, however that ends."""

from __future__ import annotations

import errno
import fcntl
import time
from pathlib import Path
from typing import IO

from lifelong_kd.core.errors import BadCall
from lifelong_kd.training.folder import RunFolder

__all__ = ["TAKEN", "claim", "in_use"]

TAKEN = 75
"""The exit status of a cell that another process has (``EX_TEMPFAIL``)."""
TRIES = 5
PAUSE = 0.05
BUSY = (errno.EAGAIN, errno.EACCES)


def claim(folder: Path) -> IO[str] | None:
    """Claim the cell in ``folder`` for this process, until the file that is returned is closed.

    The claim stands beside the run folder's own lock: it begins before anything heavy is imported, and covers what
    comes after the run.

    Returns:
        The open file, or ``None`` if another process has the cell.

    Raises:
        OSError: if the file system has no locks, or cannot be written.
    """
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - held while the cell lives
    for trial in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError as error:
            if error.errno not in BUSY:
                file.close()
                raise
        if trial < TRIES - 1:  # who only looks has the lock for a moment, too
            time.sleep(PAUSE)
    file.close()
    return None


def in_use(folder: Path) -> bool:
    """Whether a process has claimed the cell in ``folder``, or has its run folder without having claimed it."""
    path = _path(folder)
    if path.is_file():
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in BUSY:
                    return True
                raise
    try:
        RunFolder(folder).refuse_in_use()
    except BadCall:
        return True
    return False


def _path(folder: Path) -> Path:
    return folder.parent / ".claims" / folder.name
