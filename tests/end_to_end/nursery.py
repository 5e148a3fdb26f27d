"""A process that has imported everything and forks a run for each request: a real process for the price of none.

Started by ``conftest.py``; a request is one line of JSON on its standard input, the answer one line on its standard
output. The runs are the command line itself (``lifelong_kd.cli.main``), each in a session of its own. What a test wants
to happen inside a run - a SIGKILL at a certain step, a disk that is full - is patched in here and exists nowhere in the
product.
"""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


class Watch:
    """Follows a run's steps and writes, keeps a journal of them, and strikes at the one that was asked for.

    Args:
        request: ``journal``, a file to append moments to, and ``moment``, ``[iteration, file name, when]``: the file
            name is null for a step, ``when`` is ``half``, ``before`` or ``after`` the file has its name; or ``pause``:
            the process is stopped, not killed.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.journal = request.get("journal")
        self.moment = request.get("moment")
        self.iteration = 0

    def install(self) -> None:
        from lifelong_kd.training.recorder import Recorder
        from lifelong_kd.training.state import RunState

        step, replace = Recorder.after_training_iteration, os.replace

        def after_step(recorder: Any, strategy: Any, *args: Any, **kwargs: Any) -> None:
            step(recorder, strategy, *args, **kwargs)
            self.iteration = strategy.clock.train_iterations
            self._note(None)
            # Past the moment counts too: a write at the end of a task is not repeated when the next one is resumed.
            past = self.moment is not None and self.iteration > self.moment[0]
            if past or (self.moment is not None and self.moment[:2] == [self.iteration, None]):
                os.kill(os.getpid(), signal.SIGSTOP if self.moment[2] == "pause" else signal.SIGKILL)

        def renamed(source: Any, target: Any) -> None:
            here = [self.iteration, Path(target).name]
            self._note(here[1])
            if self.moment is None or self.moment[:2] != here:
                replace(source, target)
                return
            if self.moment[2] == "half":
                os.truncate(source, os.stat(source).st_size // 2)
            elif self.moment[2] == "after":
                replace(source, target)
            os.kill(os.getpid(), signal.SIGKILL)

        restore = RunState.restore

        def restored(state: Any, saved: Any) -> None:
            restore(state, saved)
            # Avalanche counts a step after its last hook, where the journal was written.
            self.iteration = state.engine.clock.train_iterations - 1

        RunState.restore = restored  # type: ignore[method-assign]
        Recorder.after_training_iteration = after_step  # type: ignore[method-assign]
        os.replace = renamed  # type: ignore[assignment]

    def _note(self, name: str | None) -> None:
        if self.journal is not None:
            with open(self.journal, "a", encoding="utf-8") as file:
                file.write(json.dumps([self.iteration, name]) + "\n")


def killed_in(place: str, calls: int) -> None:
    """SIGKILL at the ``calls``-th call of a method, ``module:Class.method``."""
    module, _, path = place.partition(":")
    kind, _, name = path.partition(".")
    owner = getattr(importlib.import_module(module), kind)
    method, seen = getattr(owner, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*args, **kwargs)

    setattr(owner, name, counted)


def full_disk(after: int) -> None:
    """From its ``after``-th file on nothing can be flushed to disk any more."""
    flush, seen = os.fsync, 0

    def no_space(file: int) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(file)

    os.fsync = no_space


def child(request: dict[str, Any]) -> int:
    """What a forked run does; its exit status."""
    os.setsid()
    with open(request["output"], "wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.update(request.get("environment", {}))
    os.chdir(request["folder"])
    sys.path[:0] = request.get("path", [])
    if "journal" in request or "moment" in request:
        Watch(request).install()
    if "call" in request:
        killed_in(*request["call"])
    if "disk" in request:
        full_disk(request["disk"])
    if "largest" in request:  # Python ignores SIGXFSZ: a file that grows beyond is an error of its writer
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"], request["largest"]))
    sys.argv = ["lifelong-kd", *request["arguments"]]
    from lifelong_kd.cli import main

    try:
        main(request["arguments"], prog_name="lifelong-kd")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End as an interpreter does, but for tearing down every module, which takes longer than the run."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve() -> int:
    """Answer requests until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    import torch
    import wandb  # noqa: F401

    import lifelong_kd.comparison.read
    import lifelong_kd.config.build
    import lifelong_kd.config.load
    import lifelong_kd.strategy.derpp
    import lifelong_kd.strategy.dgr
    import lifelong_kd.strategy.icarl
    import lifelong_kd.strategy.lwf
    import lifelong_kd.stream.split_digits
    import lifelong_kd.tracking.console
    import lifelong_kd.training.experiment  # noqa: F401

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    answers.write("ready\n")
    while line := sys.stdin.readline():
        answer = ACTIONS[(request := json.loads(line))["do"]]
        pid = os.fork() if answer is start else 0
        if answer is start and pid == 0:
            leave(child(request))
        answers.write(json.dumps(pid if answer is start else answer(request)) + "\n")
    return 0


def start(request: dict[str, Any]) -> int:
    """Fork a run; its process id."""
    raise AssertionError("forking is done in the loop itself")


def wait(request: dict[str, Any]) -> int:
    """Wait for a run; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])


ACTIONS: dict[str, Callable[[dict[str, Any]], int]] = {"start": start, "wait": wait}

if __name__ == "__main__":
    leave(serve())
