"""What an engine is, and how each of them runs a cell: as a process of its own with its own log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.study.cell import PARENT
from lifelong_kd.study.plan import Job

__all__ = ["GRACE", "Engine", "spawn", "stop_all", "wait_for"]

GRACE = 60.0
"""Seconds that a stopped cell may take to write what it has."""


class Engine(ABC):
    """Runs jobs; each does what is left to do whenever it is run, so that an engine may repeat it."""

    slots: int = 1
    """Jobs side by side."""
    pause: float = 0.05
    """Seconds between two looks at what runs."""

    @abstractmethod
    def start(self, job: Job) -> Any:
        """Start a job; what :meth:`poll` and :meth:`stop` know it by."""

    @abstractmethod
    def poll(self, handle: Any) -> int | None:
        """The exit status of a job, negative for a signal; ``None`` as long as it runs. Not asked again after that."""

    @abstractmethod
    def stop(self, handles: Sequence[Any]) -> None:
        """Have jobs write what they have and end; return when they have."""

    def close(self) -> None:
        """Called once, when nothing is left to run."""


def spawn(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one, and append all it says to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        # A session of its own: Ctrl-C reaches it once, from us, and not a second time from the terminal.
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**_own(os.environ if environment is None else environment), PARENT: str(os.getpid())},
            start_new_session=True,
        )


def _own(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what belongs to one W&B run or process: each cell is a run of its own."""
    return {
        name: value for name, value in environment.items() if name not in ("WANDB_SERVICE", "WANDB_RUN_ID")
    }


def stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Send processes Ctrl-C and wait for their end; who has not ended in time, or at a second Ctrl-C, is killed."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    until = time.monotonic() + GRACE
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in processes:
            process.wait(max(0.0, until - time.monotonic()))
    for process in processes:
        process.kill()  # does nothing to those that have ended
    for process in processes:
        process.wait()


def wait_for(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a process, once it has ended; whatever stops this one stops the process, too."""
    try:
        # Not wait(): what a signal's handler does, Ray's and submitit's among them, comes between two lines of Python.
        while (status := process.poll()) is None:
            time.sleep(0.1)
    except BaseException:
        stop_all([process])
        raise
    return status
