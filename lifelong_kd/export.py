"""The model after a task, taken out of its run folder."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.saved import read_metadata

if TYPE_CHECKING:
    from lifelong_kd.model.network import Network

__all__ = ["export_model", "how_to_load", "load_network", "read_metadata"]


def export_model(run: Path, task: int, path: Path) -> dict[str, Any]:
    """Copy the weights after ``task`` to ``path``, a safetensors file whose header says what they are.

    Returns:
        What the header says.

    Raises:
        BadCall: if the run has no model for that task, the file is damaged, or ``path`` is there already.
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
    if path.exists():
        raise BadCall(f"{path} is there already; give another --out")
    metadata = read_metadata(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    shutil.copyfile(source, beside)
    os.replace(beside, path)
    return metadata


def load_network(path: str | Path) -> Network:
    """The network in a file that ``lifelong-kd export`` wrote, or in a run's checkpoints; it needs no data.

    Raises:
        BadCall: if the file is no model of ours, or is one of Avalanche's own networks, which only Avalanche can build.

    Example:
        >>> network = load_network("runs/mine/checkpoints/task_4.safetensors")  # doctest: +SKIP
    """
    from lifelong_kd.config.imports import import_files
    from lifelong_kd.config.make import make_options
    from lifelong_kd.model.saved import load_saved

    path = Path(path)
    import_files(Path(file) for file in read_metadata(path).get("config", {}).get("imports", []))
    return load_saved(path, options=make_options)


def how_to_load(path: Path) -> str:
    """The lines of Python that give the network back."""
    if read_metadata(path).get("network") is None:
        return f"its weights can be read with: safetensors.torch.load_file({str(path)!r})"
    return f"""load it with

    import lifelong_kd

    network = lifelong_kd.load_network({str(path)!r})"""
