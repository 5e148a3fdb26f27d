"""Cells in processes of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lifelong_kd.study.engines.base import Engine, spawn, stop_all
from lifelong_kd.study.plan import Job

__all__ = ["Processes", "environments", "visible_gpus"]

Handle = tuple[subprocess.Popen[bytes], int]


class Processes(Engine):
    """Runs each cell in a process of its own, ``slots`` of them side by side.

    The cores are shared out through OMP_NUM_THREADS, unless that is set. Where several GPUs are visible, each slot sees
    one of them, in turn.

    Args:
        slots: processes side by side.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._environments = environments(
            os.environ, slots, os.cpu_count() or 1, visible_gpus() if slots > 1 else []
        )
        self._taken: set[int] = set()

    def start(self, job: Job) -> Handle:
        assert job.command is not None
        slot = next(number for number in range(self.slots) if number not in self._taken)
        process = spawn(job.command, job.log, self._environments[slot])
        self._taken.add(slot)
        return process, slot

    def poll(self, handle: Handle) -> int | None:
        process, slot = handle
        status = process.poll()
        if status is not None:
            self._taken.discard(slot)
        return status

    def stop(self, handles: Sequence[Handle]) -> None:
        stop_all([process for process, _ in handles])


def environments(
    given: Mapping[str, str], slots: int, cores: int, gpus: Sequence[str]
) -> list[dict[str, str]]:
    """The environment of each slot: its share of the cores, and one of the GPUs.

    >>> environments({}, 3, 8, ["0", "1"])[2]
    {'OMP_NUM_THREADS': '2', 'CUDA_VISIBLE_DEVICES': '0'}
    """
    shared = dict(given)
    if slots > 1:  # without this every process would take every core
        shared.setdefault("OMP_NUM_THREADS", str(max(1, cores // slots)))
    if len(gpus) < 2:
        return [shared] * slots
    return [{**shared, "CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} for slot in range(slots)]


def visible_gpus() -> list[str]:
    """The GPUs that a process started here would see, as CUDA_VISIBLE_DEVICES names them."""
    if not Path("/dev/nvidiactl").exists():  # importing torch takes seconds
        return []
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()][:count]
    return [str(number) for number in range(count)]
