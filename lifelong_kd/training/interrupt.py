"""Ctrl-C and SIGTERM as an ordinary end of a run that can be resumed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from lifelong_kd.core.errors import LifelongError

__all__ = ["Interrupted", "interruptible", "uninterrupted"]


class Interrupted(LifelongError):
    """The user or the system asked the run to stop; it can be resumed."""

    exit_code = 130


class _Terminated(BaseException):
    """Raised by the handler of SIGTERM, so that nothing in between mistakes it for an error of its own."""


class _Held:
    """A signal that has come while something must not be broken off."""

    depth = 0
    pending: type[BaseException] | None = None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait: raised within a library's C++ they would come out as an error of its own."""
    _Held.depth += 1
    try:
        yield
    finally:
        _Held.depth -= 1
        pending = _Held.pending
        if not _Held.depth and pending is not None:
            _Held.pending = None
            raise pending


def _raise(kind: type[BaseException]) -> None:
    if _Held.depth:
        _Held.pending = kind
    else:
        raise kind


# Seconds: by then what ignored a signal is over.
_SOON = 0.02


def _not_ignored(hook: Callable[[Any], object], unraisable: Any) -> None:
    """Send a signal again whose exception came up where Python ignores all: in a finalizer or a weakref's callback.

    Not from here, where it would be ignored, too.
    """
    kind = unraisable.exc_type
    if not issubclass(kind, KeyboardInterrupt | _Terminated):
        hook(unraisable)
        return
    number = signal.SIGTERM if issubclass(kind, _Terminated) else signal.SIGINT
    again = threading.Timer(_SOON, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM raise :class:`Interrupted` with ``advice``.

    Batch systems and container hosts send SIGTERM before they kill; without a handler the process would end at once,
    with the tracker's last second unwritten. Only the main thread can set a handler.
    """
    previous = interrupted = None
    main = threading.current_thread() is threading.main_thread()
    if main:

        def stop(number: int, frame: FrameType | None) -> None:
            _raise(_Terminated if number == signal.SIGTERM else KeyboardInterrupt)

        previous = signal.signal(signal.SIGTERM, stop)
        interrupted = signal.signal(signal.SIGINT, stop)
    ignored = sys.unraisablehook
    sys.unraisablehook = partial(_not_ignored, ignored)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped by Ctrl-C. {advice}") from None
    except _Terminated:
        raise Interrupted(f"stopped by SIGTERM. {advice}") from None
    finally:
        sys.unraisablehook = ignored
        if main:
            signal.signal(signal.SIGTERM, previous)
            signal.signal(signal.SIGINT, interrupted)
