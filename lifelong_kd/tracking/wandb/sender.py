"""Handing rows to the SDK beside the training, several at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Sender"]

INTERVAL = 0.5
"""Seconds between two batches. Each row by itself would have training wait for the SDK's own thread, 0.9 ms a row."""


class Sender:
    """Does jobs in the order they came in, in a thread that wakes every ``interval`` seconds, or at once when asked.

    What a job raises is raised again by the next call, in the thread that makes it; ``failed`` says so for good.

    >>> done = []
    >>> sender = Sender()
    >>> sender.put(lambda: done.append(1))
    >>> sender.close()
    >>> done
    [1]
    """

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._jobs: deque[Callable[[], None]] = deque()
        self._working = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.failed = False

    def put(self, job: Callable[[], None]) -> None:
        """Have a job done soon.

        Raises:
            Exception: what an earlier job raised.
        """
        self._tell()
        self._jobs.append(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="wandb-sender", daemon=True)
            self._thread.start()

    def drain(self, *further: Callable[[], None]) -> None:
        """Do every job that is waiting and then the ``further`` ones, these in the calling thread; return when done.

        Raises:
            Exception: what one of them raised; those behind it are dropped.
        """
        self._do(*further)
        self._tell()

    def close(self) -> None:
        """Do what is waiting, and end the thread.

        Raises:
            Exception: what a job raised.
        """
        self._over.set()
        self.drain()

    def _work(self) -> None:
        while not self._over.wait(self._interval):
            self._do()

    def _do(self, *further: Callable[[], None]) -> None:
        with self._working:
            if self._error is None:
                self._jobs.extend(further)
            while self._jobs and self._error is None:
                job = self._jobs.popleft()
                # Kept for the thread that called, whatever it is: here nobody would hear of it.
                try:
                    job()
                except Exception as error:
                    self._error, self.failed = error, True
                    self._jobs.clear()

    def _tell(self) -> None:
        error = self._error
        if error is not None:
            self._error = None
            raise error
