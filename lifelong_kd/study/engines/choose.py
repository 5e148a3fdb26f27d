"""The engine that a sweep asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.engines.base import Engine
from lifelong_kd.study.engines.on_ray import OnRay
from lifelong_kd.study.engines.on_slurm import OnSlurm
from lifelong_kd.study.engines.options import pairs
from lifelong_kd.study.engines.processes import Processes

__all__ = ["ENGINES", "Name", "choose_engine"]

Name = Literal["processes", "ray", "slurm"]
ENGINES: tuple[Name, ...] = ("processes", "ray", "slurm")


def choose_engine(
    name: Name, study: Path, jobs: int | None, todo: int, ray: Sequence[str] = (), slurm: Sequence[str] = ()
) -> Engine:
    """The engine of a sweep.

    Args:
        name: which.
        study: the study's folder.
        jobs: cells side by side; by default one process, as many as the Ray cluster has room for, all at once on Slurm.
        todo: how many cells are left to do.
        ray: options of Ray, ``KEY=VALUE``.
        slurm: options of Slurm, ``KEY=VALUE``.

    Raises:
        BadCall: if an option is wrong, or of another engine; or if the engine cannot be had.
    """
    for other, given in (("ray", ray), ("slurm", slurm)):
        if given and name != other:
            raise BadCall(f"--{other} is for --engine {other}, and the engine is {name}")
    if name == "ray":
        return OnRay(pairs("ray", ray), jobs)
    if name == "slurm":
        return OnSlurm(pairs("slurm", slurm), study / "slurm", jobs or max(1, todo))
    return Processes(jobs or 1)
