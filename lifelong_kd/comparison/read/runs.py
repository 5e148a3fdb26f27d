"""The runs in some folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lifelong_kd.comparison.read.find import Found, find
from lifelong_kd.comparison.read.local import Damaged, read_json, read_run
from lifelong_kd.comparison.read.state import why_not
from lifelong_kd.comparison.types import LeftOut, RunRecord
from lifelong_kd.core.errors import BadCall

__all__ = ["read_runs"]


def read_runs(paths: Iterable[Path]) -> tuple[list[RunRecord], list[LeftOut]]:
    """The finished runs in ``paths``, each once, and those that cannot be compared.

    A path is a run folder, a folder with run folders one or two levels deep, or W&B's own files: a folder
    ``offline-run-...``, or ``wandb/`` with many. One that is no folder or has no run in it is left out.

    Raises:
        BadCall: if that is so for every path.
    """
    given = [Path(path) for path in paths]
    found = list(_once(place for path in given for place in find(path)))
    if found and all(place.kind == "closed" and place.folder in given for place in found):
        raise BadCall("\n".join(f"{place.folder}: {place.reason}" for place in found))
    results = [_read(place) for place in found if place.kind != "wandb"]
    logs = [place.folder for place in found if place.kind == "wandb"]
    if logs:
        from lifelong_kd.comparison.read.offline import read_offline

        results.extend(read_offline(logs))
    return (
        [result for result in results if isinstance(result, RunRecord)],
        [result for result in results if isinstance(result, LeftOut)],
    )


def _once(found: Iterable[Found]) -> Iterable[Found]:
    seen: set[str] = set()
    for place in found:
        folder = os.path.realpath(place.folder)
        if folder not in seen:
            seen.add(folder)
            yield place


def _read(place: Found) -> RunRecord | LeftOut:
    folder, source = place.folder, str(place.folder)
    if place.kind == "closed":
        return LeftOut(source, place.reason)
    try:
        results = read_json(folder / "results.json")
        reason = why_not(folder, results)
        if results is None or reason is not None:
            return LeftOut(source, str(reason))
        return read_run(folder, source, results)
    except Damaged as error:
        return LeftOut(source, str(error))
