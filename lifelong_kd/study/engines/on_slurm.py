"""Cells as jobs of a Slurm cluster whose machines share the study's file system."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.study.engines.base import GRACE, Engine, spawn, stop_all, wait_for
from lifelong_kd.study.engines.options import checked
from lifelong_kd.study.plan import Job

__all__ = ["OnSlurm", "Repeatable"]

# Of the options that submitit gives every cluster those that make sense for one process on one machine.
COMMON: dict[str, type | None] = {
    "timeout_min": int,
    "gpus_per_node": int,
    "cpus_per_task": int,
    "mem_gb": float,
}
OURS: dict[str, type | None] = {"cluster": str, "max_num_timeout": int}
# Set by this engine, or of no use to a cell.
RESERVED = {
    "job_name",
    "array_parallelism",
    "ntasks_per_node",
    "nodes",
    "stderr_to_stdout",
    "use_srun",
    "wckey",
}


class Repeatable:
    """A cell that Slurm may interrupt and put back into the queue: it goes on from its last checkpoint.

    submitit keeps it in a file and calls it on the cluster's machine.

    Args:
        folder: where the sweep was called: paths are relative to that.
        command: what runs the cell.
        log: its log.
    """

    def __init__(self, folder: str, command: Sequence[str], log: str) -> None:
        self.folder, self.command, self.log = folder, tuple(command), log
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        os.chdir(self.folder)
        self._process = spawn(self.command, Path(self.log))
        return wait_for(self._process)

    def checkpoint(self) -> Any:
        """Time is nearly up: have the run write what it has, and say what is to be submitted again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            stop_all([self._process])
        return DelayedSubmission(Repeatable(self.folder, self.command, self.log))


class OnSlurm(Engine):
    """Submits each cell as a job by submitit.

    Jobs live on when the sweep is killed. The next one submits what is not running once more; of two jobs of a cell the
    second finds it claimed, or finished, and ends at once.

    Args:
        options: submitit's, such as ``partition``, ``timeout_min``, ``gpus_per_node``, ``cpus_per_task``, ``mem_gb``,
            ``account``, ``qos``, ``constraint``; ``max_num_timeout``, how often a cell that needs longer is submitted
            again; ``cluster=local`` runs the jobs on this machine, to try it out.
        folder: where submitit keeps its files.
        slots: jobs in the queue at a time.

    Raises:
        BadCall: if submitit is not installed, Slurm is not there, or an option is wrong.
    """

    pause = 0.25

    def __init__(self, options: Mapping[str, str], folder: Path, slots: int) -> None:
        try:
            import submitit
        except ImportError:
            raise BadCall("the engine 'slurm' needs submitit: pip install 'lifelong_kd[slurm]'") from None
        special: dict[str, type | None] = dict.fromkeys(
            sorted(submitit.SlurmExecutor._valid_parameters() - {*COMMON, *RESERVED, "time", "mem"})
        )
        chosen = checked("slurm", options, {**COMMON, **OURS, **special})
        if "timeout_min" not in chosen:
            raise BadCall(
                "the engine 'slurm' needs --slurm timeout_min=MINUTES, how long a job may take; a cell that needs"
                " longer is submitted again and resumed"
            )
        cluster = chosen.pop("cluster", "slurm")
        if cluster not in ("slurm", "local"):
            raise BadCall(f"--slurm cluster: found {cluster!r}, allowed: slurm, local")
        again = chosen.pop("max_num_timeout", 3)
        self.slots = slots
        try:
            self._executor = submitit.AutoExecutor(
                folder=str(folder.absolute()), cluster=cluster, **{f"{cluster}_max_num_timeout": again}
            )
            self._executor.update_parameters(
                **{key if key in COMMON else f"slurm_{key}": value for key, value in chosen.items()}
            )
        except (RuntimeError, ValueError, NameError, TypeError, AssertionError) as error:
            raise BadCall(f"submitit cannot use Slurm as asked: {error}") from error

    def start(self, job: Job) -> Any:
        from submitit.core.utils import FailedJobError

        assert job.command is not None
        self._executor.update_parameters(name=job.name[:60])
        try:
            return self._executor.submit(Repeatable(os.getcwd(), job.command, str(job.log)))
        except FailedJobError as error:
            first = str(error).strip().partition("\n")[0]
            raise RunFailed(
                f"Slurm did not take the job of {job.name}: {first}. What runs goes on; sweep again for the rest"
            ) from error

    def poll(self, handle: Any) -> int | None:
        if not handle.done():
            return None
        from submitit.core.utils import FailedJobError, UncompletedJobError

        try:
            return int(handle.result())
        except (FailedJobError, UncompletedJobError):
            # Cancelled, out of memory, or its machine is gone; the run can be resumed.
            return 1

    def stop(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            handle.cancel(check=False)
        until = time.monotonic() + GRACE
        # A second Ctrl-C ends the waiting, not the jobs' own end.
        with contextlib.suppress(KeyboardInterrupt):
            while time.monotonic() < until and not all(handle.done(force_check=True) for handle in handles):
                time.sleep(self.pause)
