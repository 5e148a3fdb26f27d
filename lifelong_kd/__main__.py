"""``python -m lifelong_kd`` is the command ``lifelong-kd``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from lifelong_kd.cli import main

        main(prog_name="lifelong-kd")
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)
