"""The weights after a task, with the header that says how to build their network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.export.place import model_of, whole
from lifelong_kd.model.saved import read_metadata

if TYPE_CHECKING:
    from lifelong_kd.model.network import Network

__all__ = ["export_model", "how_to_load", "load_network"]


def export_model(run: Path, task: int, path: Path) -> dict[str, Any]:
    """Copy the weights after ``task`` to ``path``, a safetensors file whose header says what they are.

    Returns:
        What the header says.

    Raises:
        BadCall: if the run has no model for that task, the file is damaged, or ``path`` is there already.
        RunFailed: if it cannot be written.
    """
    source = model_of(run, task)
    with whole(path) as beside:
        metadata = read_metadata(source)
        shutil.copyfile(source, beside)
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
