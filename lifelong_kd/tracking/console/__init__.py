"""The console: a live table in a terminal, plain lines in a log."""

from __future__ import annotations

from lifelong_kd.tracking.console.tracker import ConsoleTracker

__all__ = ["ConsoleTracker"]
