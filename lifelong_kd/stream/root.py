"""Where data sets are looked for, and what is said when one is not there."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from lifelong_kd.core.errors import DataMissing

__all__ = ["data_root", "found_or_downloaded", "missing"]

Found = TypeVar("Found")
VARIABLE = "LIFELONG_KD_DATA"


def data_root(root: str | Path | None) -> Path:
    """The folder of data sets: ``root`` if given, else ``$LIFELONG_KD_DATA``, else ``~/.cache/lifelong_kd/data``."""
    if root is not None:
        return Path(root).expanduser()
    return Path(os.environ.get(VARIABLE) or "~/.cache/lifelong_kd/data").expanduser()


def missing(what: str, looked: Path, remedy: str, reason: object = None) -> DataMissing:
    """The error for a data set that is not there: what is missing, where it was looked for, and what to do."""
    why = f" ({reason})" if reason else ""
    return DataMissing(f"{what} was not found in {looked}{why}. {remedy}")


def found_or_downloaded(
    what: str,
    looked: Path,
    read: Callable[[bool], Found],
    *,
    download: bool,
    layout: str,
    timeout: float = 15.0,
) -> Found:
    """What ``read(False)`` returns, or if that finds nothing and ``download`` is set, ``read(True)``.

    Args:
        what: the data set's name.
        looked: the folder it is looked for in.
        read: reads it; its argument says whether it may download. Raises ``OSError`` or ``RuntimeError`` if it cannot.
        download: whether to try.
        layout: the files expected below ``looked``, for the message.
        timeout: seconds after which a silent connection is given up.

    Raises:
        DataMissing: if it is not there and cannot be downloaded.
    """
    remedy = f"Put {layout} there, or set stream.root (or ${VARIABLE}) to the folder that has it"
    try:
        return read(False)
    except (OSError, RuntimeError) as error:
        absent = error
    if not download:
        raise missing(what, looked, f"{remedy}, or set stream.download=true.", absent) from absent
    print(f"{what} is not in {looked}: downloading it", file=sys.stderr)  # noqa: T201 - it may take long
    try:
        # Downloaders write their own advice to stdout; what they have to say is in the error.
        with _patience(timeout), contextlib.redirect_stdout(io.StringIO()), _unless_empty(looked):
            looked.mkdir(parents=True, exist_ok=True)
            return read(True)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise missing(what, looked, f"{remedy}.", f"and the download failed: {reason}") from error


@contextlib.contextmanager
def _unless_empty(folder: Path) -> Iterator[None]:
    """Folders that were made inside and are still empty after an error are removed again."""
    before = _folders(folder)
    try:
        yield
    except (OSError, RuntimeError):
        for made in sorted(_folders(folder) - before, reverse=True):  # innermost first
            with contextlib.suppress(OSError):  # it has files
                made.rmdir()
        raise


def _folders(folder: Path) -> set[Path]:
    """Those above the folder, itself, and those up to two levels below: as deep as a downloader goes without a file."""
    found = [folder, *folder.parents, *folder.glob("*"), *folder.glob("*/*")]
    return {path for path in found if path.is_dir()}


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Inside, a network connection that says nothing for ``seconds`` is an error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
