"""A sweep: the cells of a grid, each a run in a process of its own, so that one crash costs one cell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.read import state_of
from lifelong_kd.config.grid import Cell
from lifelong_kd.config.load import Config, load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.references import lacks_references

__all__ = ["Job", "last_words", "plan", "run_jobs"]

# What the default name of a run says anyway.
_NAMED = {"seed", "strategy", "strategy.name", "stream", "stream.name", "stream.scenario"}
# How long a stopped run may take to write what it has.
_GRACE = 60.0


@dataclass(frozen=True)
class Job:
    """One cell: its run folder, the command that runs or resumes it (None if it is finished), and its log."""

    name: str
    folder: Path
    command: tuple[str, ...] | None
    log: Path


def plan(config: Path, cells: Sequence[Cell], study: Path, imports: Sequence[Path]) -> list[Job]:
    """Check every cell and find out what is left to do; nothing is written.

    Raises:
        ConfigError: for the first cell that is not valid.
        BadCall: if a cell's folder holds a run of another configuration, or no run, or if ``study`` is a run.
    """
    if state_of(study) in ("finished", "unfinished"):
        raise BadCall(f"{study} is itself a run folder; give another --out")
    jobs = []
    for cell in cells:
        loaded = load_config(config, cell.overrides, imports=imports)
        overrides = [*cell.overrides, *_own_name(cell, loaded)]
        folder = study / cell.name
        state = state_of(folder)
        python = (sys.executable, "-m", "lifelong_kd")
        command: tuple[str, ...] | None
        if state == "foreign":
            raise BadCall(f"{folder} is not empty and holds no run; give another --out")
        if state == "free":
            files = [word for path in imports for word in ("--import", str(path))]
            command = (*python, "run", str(config), *overrides, "--out", str(folder), *files)
        else:
            wanted = load_config(config, overrides, imports=imports)
            _same_run(wanted, folder)
            done = state == "finished" and not lacks_references(wanted, folder)
            command = None if done else (*python, "resume", str(folder))
        jobs.append(Job(cell.name, folder, command, study / "logs" / f"{cell.name}.log"))
    return jobs


def _own_name(cell: Cell, loaded: Config) -> list[str]:
    """An override that gives the cell a name which tells it from its neighbours."""
    given = loaded.settings["name"] is not None
    told = [value for key, value in cell.varied if given or key not in _NAMED]
    if any(key == "name" for key, _ in cell.varied) or not told:
        return []
    return [f"name={loaded.name}-{cell.name}"[:125]]


def _same_run(config: Config, folder: Path) -> None:
    here, there = flatten(config.settings), flatten(load_config(folder / "config.yaml").settings)
    differing = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    if differing:
        key = differing[0]
        more = f", and {len(differing) - 1} more settings" if len(differing) > 1 else ""
        raise BadCall(
            f"{folder} holds a run with other settings ({key}: {there.get(key)!r} there, {here.get(key)!r} here{more});"
            " give another --out, or remove that folder"
        )


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
