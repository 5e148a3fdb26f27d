"""Running the jobs of a study on an engine, so that one crash costs one cell."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lifelong_kd.comparison.read import state_of, status_of
from lifelong_kd.study.board import Board, Running
from lifelong_kd.study.cell import is_done
from lifelong_kd.study.claim import TAKEN, in_use
from lifelong_kd.study.engines.base import Engine
from lifelong_kd.study.plan import Job

__all__ = ["ERROR", "Ended", "last_line", "last_words", "run_jobs"]

ERROR = "error: "
"""What the line begins with by which a command says why it failed."""

Ended = Callable[[Job, str, float | None], None]
"""Told of each job that has ended: the job, why it failed (empty if it has not), and the seconds it took here."""

# How often is looked whether a cell that another process has is free again.
LOOK = 1.0


def last_words(log: Path) -> str:
    """The last line of a log, which is the error's sentence if the process could still write one."""
    try:
        return last_line(log).removeprefix(ERROR)[:300] or "it wrote nothing"
    except OSError as error:
        return f"its log cannot be read: {error.strerror}"


def last_line(log: Path) -> str:
    """The last line of a log with something in it; empty if there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def run_jobs(
    board: Board,
    engine: Engine,
    ended: Ended,
    tick: Callable[[], object] = lambda: None,
    stopping: Callable[[], object] = lambda: None,
) -> None:
    """Run what waits on the board, as many at a time as the engine has slots; a failed job does not stop the others.

    A cell that another process has is left to it and looked at again until that has ended: it is then finished, failed,
    or taken over if its process was stopped or killed.

    Args:
        board: the jobs; everything that happens is entered there.
        engine: runs them.
        ended: called as each job ends.
        tick: called again and again, to show where the study stands.
        stopping: called on Ctrl-C or SIGTERM, before the jobs are asked to stop, which may take them a while.

    Raises:
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after every job has been asked to stop and has stopped; on the board
            they wait again.
    """
    looked = 0.0
    board.slots = engine.slots
    try:
        with _sigterm_as_interrupt():
            while board.waiting or board.running or board.elsewhere:
                while board.waiting and len(board.running) < engine.slots:
                    _start(board, engine, board.waiting.popleft())
                for run in list(board.running.values()):
                    status = engine.poll(run.handle)
                    if status is not None:
                        _enter(board, run, status, ended)
                if board.elsewhere and time.monotonic() - looked >= LOOK:
                    _look_again(board, ended)
                    looked = time.monotonic()
                tick()
                time.sleep(engine.pause)
    except KeyboardInterrupt:
        try:
            stopping()
        finally:
            engine.stop([run.handle for run in board.running.values()])
        board.put_back()
        raise
    finally:
        engine.close()


def _start(board: Board, engine: Engine, job: Job) -> None:
    if in_use(job.folder) or is_done(job.folder):  # done by another sweep since this one looked
        board.elsewhere.append(job)
        return
    fresh, before = state_of(job.folder) == "free", board.looker.look(job.folder).done
    board.running[job.name] = Running(job, engine.start(job), time.monotonic(), fresh, before)


def _enter(board: Board, run: Running, status: int, ended: Ended) -> None:
    job, seconds = run.job, time.monotonic() - run.since
    del board.running[job.name]
    if status == TAKEN:
        board.elsewhere.append(job)
        return
    if status == 0:
        board.finished.append(job)
        if run.fresh:
            board.lasted.append((job.groups, seconds))
        ended(job, "", seconds)
        return
    board.failed[job.name] = _why(job.log, status)
    ended(job, board.failed[job.name], seconds)


def _why(log: Path, status: int) -> str:
    """Why a process failed: its last words, which one that was killed from outside does not have."""
    what = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        return what
    return f"{last_words(log).rstrip('.')} ({what})"


def _look_again(board: Board, ended: Ended) -> None:
    for job in list(board.elsewhere):
        if in_use(job.folder):
            continue
        board.elsewhere.remove(job)
        if is_done(job.folder):
            board.finished.append(job)
            ended(job, "", None)
        elif status_of(job.folder) == "failed":
            board.failed[job.name] = f"{last_words(job.log).rstrip('.')}"
            ended(job, board.failed[job.name], None)
        else:
            board.waiting.append(job)


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
