"""A signal ends a run wherever it arrives."""

from __future__ import annotations

import os
import signal
import sys
import time
import weakref

import pytest

from lifelong_kd.training.interrupt import Interrupted, interruptible


class Thing:
    """Something that can be referred to weakly."""


def _lose(things: list[Thing]) -> None:
    things.clear()
    time.sleep(5)


@pytest.mark.parametrize(("number", "says"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_in_a_callback_that_python_ignores_is_not_lost(number: int, says: str) -> None:
    before = sys.unraisablehook
    arrived = []

    def callback(reference: object) -> None:
        os.kill(os.getpid(), number)
        for _ in range(100_000):
            pass
        arrived.append("not here")

    things = [Thing()]
    reference = weakref.ref(things[0], callback)
    with pytest.raises(Interrupted, match=f"stopped by {says}. Go on"), interruptible("Go on"):
        _lose(things)
    assert arrived == [] and reference() is None
    assert sys.unraisablehook is before


def test_other_exceptions_that_are_ignored_are_told_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    before, sys.unraisablehook = sys.unraisablehook, told.append

    def callback(reference: object) -> None:
        raise ValueError("of its own")

    try:
        thing = Thing()
        reference = weakref.ref(thing, callback)
        with interruptible("Go on"):
            del thing
    finally:
        sys.unraisablehook = before
    assert [str(one.exc_value) for one in told] == ["of its own"] and reference() is None
