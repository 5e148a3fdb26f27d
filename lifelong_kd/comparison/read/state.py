"""Whether a run is finished, and if not, how far it came."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lifelong_kd.comparison.read.local import Damaged, is_run, read_json, read_run
from lifelong_kd.core.errors import BadCall

__all__ = ["State", "state_of", "status_of", "why_not"]

State = Literal["free", "finished", "unfinished", "foreign"]


def state_of(folder: Path) -> State:
    """What a folder is to a run that would like to have it.

    ``free``: not there, or empty but for what a run leaves that was killed before it began; ``finished`` or
    ``unfinished``: it holds a run; ``foreign``: it holds anything else.

    Raises:
        BadCall: if it holds a run whose files are damaged.
    """
    if not folder.exists():
        return "free"
    if not folder.is_dir():
        return "foreign"
    if is_run(folder):
        try:
            results = read_json(folder / "results.json")
            if results is None or why_not(folder, results) is not None:
                return "unfinished"
            read_run(folder, str(folder), results)
        except Damaged as error:
            raise BadCall(f"{folder}: not the results of a run: {error}") from error
        return "finished"
    left = (file.name for file in folder.iterdir())
    return "free" if all(re.fullmatch(r"\.lock|\..+\.part", name) for name in left) else "foreign"


def status_of(folder: Path) -> str | None:
    """What run.json says of a run: running, finished, failed or interrupted; None if it says nothing."""
    try:
        about = read_json(folder / "run.json") or {}
    except Damaged:
        return None
    status = about.get("status")
    return str(status) if status is not None else None


def why_not(folder: Path, results: Mapping[str, Any] | None) -> str | None:
    """Why a run cannot be compared yet, with how far it came; ``None`` if it is finished.

    Raises:
        Damaged: if ``results`` has no status.
    """
    if results is not None:
        if not isinstance(results.get("status"), str):
            raise Damaged("results.json has no status")
        if results["status"] == "finished":
            return None
    # A run that fails writes so to run.json; its results stay those of the last task it finished.
    status = status_of(folder)
    done = _done(results)
    if status in ("failed", "interrupted"):
        word = "failed" if status == "failed" else "was interrupted"
        return f"{word}: {_error(folder)}{done}"
    if _in_use(folder):
        return f"is still running: {done}"
    if results is None and status is None:
        return "has no results.json: it never began, or was killed in its first task"
    return f"was killed: {done}; `lifelong-kd resume {shlex.quote(str(folder))}` goes on with it"


def _done(results: Mapping[str, Any] | None) -> str:
    """How many tasks are done, as far as that can be seen."""
    rows = results.get("accuracy_matrix") if results is not None else None
    if not isinstance(rows, list) or not rows:
        return "no task done yet"
    whole = f" of {len(rows[0])}" if isinstance(rows[0], list) and len(rows[0]) >= len(rows) else ""
    return f"task {len(rows)}{whole} done"


def _error(folder: Path) -> str:
    """The error that run.json names, if it names one."""
    error = (read_json(folder / "run.json") or {}).get("error")
    return f"{' '.join(str(error).split())[:200].rstrip('.')}; " if error else ""


def _in_use(folder: Path) -> bool:
    """Whether a process has the folder: what only says that it runs may have been killed."""
    from lifelong_kd.training.folder import RunFolder

    try:
        RunFolder(folder).refuse_in_use()
    except BadCall:
        return True
    except OSError:
        return False
    return False
