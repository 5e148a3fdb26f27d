"""``python -m lifelong_kd``, and what the console script calls."""

from __future__ import annotations

import sys

__all__ = ["run"]


def run() -> None:
    """The command line; Ctrl-C ends it with one word even while it is still being imported."""
    try:
        from lifelong_kd.cli import main

        main(prog_name="lifelong-kd")
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    run()
