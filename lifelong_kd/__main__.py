"""``python -m lifelong_kd``, and what the console script calls."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from types import FrameType

__all__ = ["run"]


def run() -> None:
    """The command line, in a process that has a home to write to and that Ctrl-C ends in one word at any time."""
    signal.signal(signal.SIGINT, _stop)
    _need_a_home()
    try:
        from lifelong_kd.cli import main

        main(prog_name="lifelong-kd")
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)


def _stop(number: int, frame: FrameType | None) -> None:
    # Not an exception: raised inside the C++ of a library that is being imported, it would abort the process. A run
    # takes Ctrl-C into its own hands as soon as there is anything to save.
    os.write(2, b"stopped\n")
    os._exit(130)


def _need_a_home() -> None:
    """Where the home folder cannot be written, as in many containers, Avalanche could not even be imported."""
    home = os.path.expanduser("~")
    if not os.access(home, os.W_OK):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="lifelong_kd-")
        sys.stderr.write(f"{home} cannot be written: using {os.environ['HOME']} as home folder\n")


if __name__ == "__main__":
    run()
