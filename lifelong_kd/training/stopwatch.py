"""Time spent in a part of the loop, without making a GPU wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["Stopwatch"]


PENDING = 4096
"""Pairs of events kept before they are added up, which waits for the GPU once."""


class Stopwatch:
    """Adds up seconds: of the CPU's clock, or between events that a GPU passes.

    Args:
        device: where the timed work runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what happens inside."""
        if self._cuda:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            yield
            end.record()
            self._events.append((begin, end))
            if len(self._events) == PENDING:
                self.read()
        else:
            start = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - start

    def read(self) -> float:
        """Seconds so far; waits for the GPU."""
        if self._events:
            torch.cuda.synchronize()
            self._seconds += sum(begin.elapsed_time(end) for begin, end in self._events) / 1000
            self._events = []
        return self._seconds

    def set(self, seconds: float) -> None:
        """Go on from an earlier reading."""
        self._events = []
        self._seconds = seconds
