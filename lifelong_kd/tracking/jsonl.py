"""``metrics.jsonl``: every number of a run on this machine, one JSON object a line."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value, number

__all__ = ["NAME", "JsonlTracker", "read", "truncate"]

NAME = "metrics.jsonl"


class JsonlTracker(Tracker):
    """Appends every number to metrics.jsonl in the run folder.

    A line is ``{"axis", "task", "epoch", "iteration", "evaluation", "time", "values"}``; ``time`` is in seconds
    since 1970, a counter that was not given is null. Each line is one write to the file, so that a killed run loses no
    whole line. JSON knows no NaN and no infinity: they are written as the strings ``"NaN"``, ``"Infinity"``,
    ``"-Infinity"``, which ``read`` turns back.
    """

    def __init__(self) -> None:
        self._file: int | None = None
        self._lines = 0

    def start(self, run: RunInfo) -> None:
        run.folder.mkdir(parents=True, exist_ok=True)
        path = run.folder / NAME
        # A line that a killed run left half-written would run into the next one.
        self._lines = truncate(run.folder, None)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        if self._file is None:
            raise RunFailed(f"{NAME} is not open: start comes before log, and nothing after finish")
        line = {
            "axis": axis,
            "task": number(step.get("task")),
            "epoch": number(step.get("epoch")),
            "iteration": number(step.get("iteration")),
            "evaluation": number(step.get("evaluation")),
            "time": round(time.time(), 3),
            "values": {key: _plain(value) for key, value in values.items()},
        }
        text = json.dumps(line, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        _write_all(self._file, f"{text}\n".encode())
        self._lines += 1

    def position(self) -> int:
        """How many lines the file has now; a checkpoint keeps it for ``truncate``."""
        return self._lines

    def finish(self, status: Status) -> None:
        if self._file is not None:
            os.fsync(self._file)
            os.close(self._file)
            self._file = None


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _plain(value: object) -> object:
    value = number(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines of ``folder``'s metrics.jsonl as dictionaries; a half-written last line is left out.

    A run that has not logged anything has no lines. Any other line that is not JSON is a ``BadCall`` that
    names it.

    >>> read(Path("no such run"))
    []
    """
    path = folder / NAME
    if not path.is_file():
        return []
    lines: list[dict[str, Any]] = []
    for index, text in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            line = json.loads(text)
            values = {
                key: _SPECIAL.get(v, v) if isinstance(v, str) else v for key, v in line["values"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadCall(f"{path}, line {index}: not a line of metrics ({error})") from error
        lines.append({**line, "values": values})
    return lines


def truncate(folder: Path, lines: int | None) -> int:
    """Cut ``folder``'s metrics.jsonl after its first ``lines`` whole lines and return how many are left.

    ``None`` keeps all whole lines and removes only a half-written last one. A file that is shorter stays as
    it is.
    """
    if lines is not None and lines < 0:
        raise BadCall(f"the number of lines to keep is {lines}; it must be 0 or more")
    path = folder / NAME
    if not path.is_file():
        return 0
    kept = size = 0
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n") or (lines is not None and kept >= lines):
                break
            kept += 1
            size += len(line)
        file.truncate(size)
    return kept
