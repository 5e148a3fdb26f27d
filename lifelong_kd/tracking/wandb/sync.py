"""Uploading what a run logged offline, by the SDK's own ``wandb sync``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.tracking.wandb.child import PATIENCE, run_child
from lifelong_kd.tracking.wandb.complete import is_incomplete

__all__ = ["find_unsent", "need_server", "send", "upload", "waiting"]

# A part whose process was killed at once holds the header of the file and nothing else.
HEADER = 7
# Levels below a folder that are searched for runs: a study of studies has them two levels deep.
LEVELS = 3
PASSED_BY = frozenset({"wandb", "checkpoints", "plots", "logs"})
# What would keep it from uploading, or from saying what went wrong.
HIDDEN = frozenset({"WANDB_MODE", "WANDB_SILENT", "WANDB_QUIET"})


def find_unsent(path: Path) -> list[Path]:
    """The run folders in ``path``, itself included, that W&B has logged to offline or may lack the end of, sorted.

    Raises:
        BadCall: if there is no run at all.
    """
    if not path.is_dir():
        raise BadCall(
            f"{path} {'is a file' if path.exists() else 'is not there'}: give the folder of a run or study"
        )
    runs = sorted(_runs(path, 0))
    if not runs:
        raise BadCall(f"there is no run in {path}")
    return [run for run in runs if _parts(run) or is_incomplete(run)]


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "run.json").is_file() or _parts(folder):
        yield folder
    if depth < LEVELS:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False) and entry.name not in PASSED_BY and entry.name[0] != ".":
                yield from _runs(Path(entry.path), depth + 1)


def _parts(run: Path) -> list[Path]:
    """The folders of each time it was started offline, oldest first: their names begin with the time."""
    return sorted(part for part in (run / "wandb").glob("offline-run-*") if part.is_dir())


def waiting(run: Path) -> list[Path]:
    """The parts of a run that were logged offline and are not uploaded yet, oldest first."""
    return [part for part in _parts(run) if _begun(part) and not any(part.glob("*.synced"))]


def _begun(part: Path) -> bool:
    return any(file.stat().st_size > HEADER for file in part.glob("run-*.wandb"))


def need_server(timeout: float = 20.0) -> str:
    """The address of the W&B server, which has answered.

    Args:
        timeout: seconds to wait for it.

    Raises:
        BadCall: if there is no key for it, or one of another form.
        RunFailed: if it does not answer.
    """
    import requests
    import wandb
    from wandb.sdk import wandb_setup

    from lifelong_kd.tracking.wandb.mode import has_key

    try:
        if not has_key():
            raise BadCall("there is no W&B API key: run `wandb login`, or set WANDB_API_KEY")
    except wandb.errors.AuthenticationError as error:
        raise BadCall(f"the W&B key cannot be used: {error}") from error
    address = str(wandb_setup.singleton().settings.base_url)
    try:
        requests.get(address, timeout=timeout)
    except (requests.ConnectionError, requests.Timeout) as error:
        reason = " ".join(str(error).split())[-200:]
        raise RunFailed(
            f"the W&B server {address} does not answer; everything stays on disk, run the same command again later"
            f" ({reason})"
        ) from error
    return address


def upload(parts: Sequence[Path], timeout: float | None = None) -> str | None:
    """Upload the parts of one run in their order; why it failed, or ``None`` if the server has them all.

    Args:
        parts: what :func:`waiting` gave.
        timeout: seconds after which it is given up.
    """
    command = [sys.executable, "-m", "wandb", "sync", "--yes", *map(str, parts)]
    # A user's own settings of how long to wait go first.
    environment = {**PATIENCE, **{name: value for name, value in os.environ.items() if name not in HIDDEN}}
    try:
        done = run_child(command, environment, timeout)
    except subprocess.TimeoutExpired:
        return f"the W&B server did not take it within {timeout:g} s"
    # `wandb sync` ends with 0 whatever happened; what it has uploaded it marks.
    if all(any(part.glob("*.synced")) for part in parts):
        return None
    return _complaint(done.stdout + done.stderr)


def send(run: Path, timeout: float) -> str | None:
    """Upload all that the server lacks of a run; why it failed, or ``None`` if the server has it.

    Args:
        run: the run folder.
        timeout: seconds after which it is given up.
    """
    from lifelong_kd.tracking.wandb.complete import complete

    parts = waiting(run)
    problem = upload(parts, timeout) if parts else None
    if problem is None and is_incomplete(run):
        try:
            complete(run, timeout)
        except BadCall as error:
            return str(error)
    return problem


def _complaint(said: str) -> str:
    """The first error in what ``wandb sync`` printed, else its last line."""
    lines = [re.sub(r"^wandb: ", "", line.strip()) for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR ") for line in lines if line.startswith("ERROR ")]
    return " ".join((errors or lines[-1:] or ["wandb sync said nothing"])[0].split())[:300]
