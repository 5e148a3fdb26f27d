"""``python -m lifelong_kd`` is the command ``lifelong-kd``."""

from __future__ import annotations

from lifelong_kd.cli import main

if __name__ == "__main__":
    main(prog_name="lifelong-kd")
