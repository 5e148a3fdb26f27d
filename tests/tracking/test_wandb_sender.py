"""The thread that hands rows to W&B: order, errors, and that nothing waits for a further call."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from lifelong_kd.tracking.wandb.sender import Sender


def test_jobs_are_done_in_order_whoever_does_them() -> None:
    done: list[int] = []
    sender = Sender(interval=0.001)
    for number in range(300):
        sender.put(partial(done.append, number))
        if number % 50 == 0:
            sender.drain()
            assert done == list(range(number + 1))
    sender.close()
    assert done == list(range(300))
    sender.close()


def test_a_job_is_done_without_a_further_call() -> None:
    done = threading.Event()
    sender = Sender(interval=0.01)
    sender.put(done.set)
    assert done.wait(5)
    sender.close()


def test_what_a_job_raises_is_raised_by_the_next_call_once() -> None:
    done: list[int] = []
    sender = Sender(interval=60)

    def fail() -> None:
        raise OSError("full")

    sender.put(partial(done.append, 1))
    sender.put(fail)
    sender.put(partial(done.append, 2))
    with pytest.raises(OSError, match="full"):
        sender.drain()
    assert done == [1]
    sender.put(partial(done.append, 3))
    sender.close()
    assert done == [1, 3]
    sender.put(fail)
    sender._do()
    # An error that nobody has heard of yet keeps what comes behind it from being done, now and later.
    with pytest.raises(OSError, match="full"):
        sender.drain(partial(done.append, 4))
    sender.close()
    assert done == [1, 3]


def test_an_error_in_the_thread_reaches_the_caller() -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("lost")

    sender = Sender(interval=0.01)
    sender.put(fail)
    assert failed.wait(5)
    time.sleep(0.05)
    with pytest.raises(ValueError, match="lost"):
        sender.put(lambda: None)

    assert sender.failed


def test_further_jobs_are_done_by_who_calls_behind_those_that_wait() -> None:
    done: list[tuple[int, int]] = []
    sender = Sender(interval=60)

    def note(number: int) -> None:
        done.append((number, threading.get_ident()))

    sender.put(partial(note, 1))
    sender.drain(partial(note, 2))
    assert done == [(1, threading.get_ident()), (2, threading.get_ident())]
    assert not sender.failed
    sender.close()


def test_ctrl_c_in_a_job_leaves_a_sender_that_works() -> None:
    done: list[int] = []
    sender = Sender(interval=60)

    def interrupted() -> None:
        raise KeyboardInterrupt

    sender.put(interrupted)
    sender.put(partial(done.append, 1))
    with pytest.raises(KeyboardInterrupt):
        sender.drain()
    sender.close()
    assert done == [1]
