"""What runs a cell: ``python -m lifelong_kd.study.cell FOLDER run CONFIG ...`` begins it, or goes on with it.

The same command does at any time what is left to do, so that a batch system may repeat it: it begins a cell, resumes
one that was stopped or killed, does nothing for one that is finished, and ends with status 75 for one that another
process has.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

__all__ = ["PARENT", "is_done", "main"]

PARENT = "LIFELONG_KD_PARENT"
"""The environment variable with the id of the process that a cell must not outlive."""
_PR_SET_PDEATHSIG = 1


def is_done(folder: Path) -> bool:
    """Whether a run folder holds a finished run, and its references if its configuration asks for them."""
    from lifelong_kd.comparison.read import state_of
    from lifelong_kd.config.dialect import read_yaml
    from lifelong_kd.study.references import has_references

    if state_of(folder) != "finished":
        return False
    path = folder / "config.yaml"
    if not path.is_file() or "make" not in path.read_text(
        encoding="utf-8"
    ):  # reading it as YAML takes a while
        return True
    evaluation = read_yaml(path)[0].get("evaluation")
    wanted = isinstance(evaluation, dict) and evaluation.get("references") == "make"
    return not wanted or has_references(folder)


def main() -> None:
    """Claim the cell, find out what is left to do, and be the command line that does it."""
    # Slurm sends it to every process when time is nearly up; our parent then sends the signal that a run understands.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    # Nothing is there to be saved as yet.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _end_with_parent()
    folder, words = Path(sys.argv[1]), sys.argv[2:]

    from lifelong_kd.comparison.read import state_of
    from lifelong_kd.core.errors import BadCall
    from lifelong_kd.study.claim import TAKEN, claim
    from lifelong_kd.training.folder import RunFolder

    held = claim(folder)
    if held is None:
        sys.exit(TAKEN)
    try:
        RunFolder(folder).refuse_in_use()  # someone may have resumed it by hand
    except BadCall:
        sys.exit(TAKEN)
    if is_done(folder):
        sys.exit(0)
    if state_of(folder) in ("finished", "unfinished"):
        words = ["resume", str(folder)]
    sys.argv = ["lifelong-kd", *words]
    # The rest of this process is `python -m lifelong_kd` with these words.
    runpy.run_module("lifelong_kd", run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    """On Linux, be sent SIGTERM when the process that started this one ends, even if it is killed.

    Elsewhere a cell whose sweep was killed goes on, and the next sweep finds it claimed and waits for it.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it ended before we could ask
        sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
