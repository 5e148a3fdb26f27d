"""Runs, wherever they were written: run folders, W&B's offline files, a W&B project."""

from __future__ import annotations

from lifelong_kd.comparison.read.api import Unreachable, read_project
from lifelong_kd.comparison.read.runs import read_runs
from lifelong_kd.comparison.read.state import State, state_of, status_of

__all__ = ["State", "Unreachable", "read_project", "read_runs", "state_of", "status_of"]
