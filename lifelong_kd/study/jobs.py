"""Running the jobs of a study, each in a process of its own, so that one crash costs one cell."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lifelong_kd.study.plan import Job

__all__ = ["last_words", "run_jobs"]

# How long a stopped run may take to write what it has.
_GRACE = 60.0


def last_words(log: Path) -> str:
    """The last line of a log, which is the error's sentence if the process could still write one."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return f"its log cannot be read: {error.strerror}"
    written = [line.strip() for line in lines if line.strip()]
    return written[-1].removeprefix("error: ")[:300] if written else "it wrote nothing"


def run_jobs(jobs: Sequence[Job], slots: int, report: Callable[[Job, int, float], None]) -> list[Job]:
    """Run the unfinished ones, ``slots`` at a time; a failed job does not stop the others.

    Args:
        jobs: what :func:`plan` returned.
        slots: processes side by side.
        report: called with job, exit status and seconds as each one ends.

    Returns:
        The jobs that failed.

    Raises:
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after every process has been asked to stop and has stopped.
    """
    waiting = [job for job in jobs if job.command is not None]
    running: dict[subprocess.Popen[bytes], tuple[Job, float]] = {}
    failed: list[Job] = []
    environment = dict(os.environ)
    if slots > 1:  # without this every process would take every core
        threads = max(1, (os.cpu_count() or 1) // slots)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        with _sigterm_as_interrupt():
            while waiting or running:
                while waiting and len(running) < slots:
                    job = waiting.pop(0)
                    running[_start(job, environment)] = (job, time.monotonic())
                for process in [process for process in running if process.poll() is not None]:
                    job, since = running.pop(process)
                    if process.returncode != 0:
                        failed.append(job)
                    report(job, process.returncode, time.monotonic() - since)
                time.sleep(0.05)
    except KeyboardInterrupt:
        _stop(list(running))
        raise
    return failed


def _start(job: Job, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    assert job.command is not None
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with open(job.log, "ab") as log:
        # A session of its own: Ctrl-C reaches it once, from us, and not a second time from the terminal.
        return subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    until = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        signal.signal(signal.SIGINT, interrupted)
