"""Cells as tasks of a Ray cluster whose machines share the study's file system."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.engines.base import GRACE, Engine, spawn, wait_for
from lifelong_kd.study.engines.options import checked
from lifelong_kd.study.plan import Job

__all__ = ["OnRay"]

OPTIONS: dict[str, type | None] = {"address": str, "num_cpus": float, "num_gpus": float}
# Seconds that a cluster may take to answer.
PATIENCE = 5.0
# A W&B process on this machine.
SERVICE = "WANDB_SERVICE"


class OnRay(Engine):
    """Runs each cell as a task of Ray, which runs the cell's process and waits for it.

    Args:
        options: ``address`` of the cluster (``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``; this machine alone if not
            given), ``num_cpus`` and ``num_gpus`` that a cell takes.
        slots: tasks side by side; as many as the cluster has room for if not given.

    Raises:
        BadCall: if Ray is not installed, the cluster does not answer, or an option is wrong.
    """

    pause = 0.2

    def __init__(self, options: Mapping[str, str], slots: int | None = None) -> None:
        chosen = checked("ray", options, OPTIONS)
        self._cpus, self._gpus = chosen.get("num_cpus", 1.0), chosen.get("num_gpus", 0.0)
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray
        except ImportError:
            raise BadCall("the engine 'ray' needs Ray: pip install 'lifelong_kd[ray]'") from None
        self._ray: Any = ray
        self._connect(chosen.get("address"))
        room = self._ray.cluster_resources()
        wanted = (("CPU", self._cpus), ("GPU", self._gpus))
        rooms = [int(room.get(kind, 0) // share) for kind, share in wanted if share]
        if rooms and min(rooms) < 1:
            self.close()
            raise BadCall(
                f"a cell asks for {self._cpus:g} CPUs and {self._gpus:g} GPUs, and the whole cluster has"
                f" {room.get('CPU', 0):g} and {room.get('GPU', 0):g}"
            )
        self.slots = slots or min(rooms, default=1)
        self._task = self._ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0)(_in_folder)

    def _connect(self, address: str | None) -> None:
        if address is not None and address not in ("local", "auto"):
            _refuse_silent(address)
        # A cluster of our own is for this machine alone.
        own: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        ours = own if address in (None, "local") else {}
        try:
            self._ray.init(address=address, log_to_driver=False, configure_logging=False, **ours)
        except Exception as error:
            first = str(error).strip().partition("\n")[0]
            raise BadCall(
                f"Ray could not be started or reached at {address or 'this machine'}: {first}"
            ) from error

    def start(self, job: Job) -> Any:
        assert job.command is not None
        # Another machine's processes do not inherit from this one what W&B is to do.
        told = {
            key: value for key, value in os.environ.items() if key.startswith("WANDB_") and key != SERVICE
        }
        told["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(max(1, int(self._cpus))))
        return self._task.remote(os.getcwd(), job.command, str(job.log), told)

    def poll(self, handle: Any) -> int | None:
        done, _ = self._ray.wait([handle], timeout=0)
        if not done:
            return None
        try:
            return int(self._ray.get(handle))
        except self._ray.exceptions.RayError:
            # Its machine or worker is gone; the run can be resumed.
            return 1

    def stop(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self._ray.cancel(handle, force=False)
        if handles:
            # A second Ctrl-C ends the waiting: the cells end with their workers.
            with contextlib.suppress(KeyboardInterrupt):
                self._ray.wait(list(handles), num_returns=len(handles), timeout=GRACE)

    def close(self) -> None:
        self._ray.shutdown()


def _in_folder(folder: str, command: Sequence[str], log: str, environment: Mapping[str, str]) -> int:
    """Run a cell where the sweep was called: paths are relative to that."""
    os.chdir(folder)
    # Ray's workers do not hear Ctrl-C, and what they start would not either.
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        process = spawn(command, Path(log), {**os.environ, **environment})
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return wait_for(process)


def _refuse_silent(address: str) -> None:
    """Look whether anybody listens: Ray itself would try for a minute."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise BadCall(f"the Ray address is {address!r}; allowed: HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise BadCall(
            f"no Ray cluster answers at {address} ({error.strerror or error}): start one by `ray start --head`,"
            " or leave the address out to use this machine alone"
        ) from error
