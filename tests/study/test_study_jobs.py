from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stub_jobs import job, pretend

import lifelong_kd.study.jobs
from lifelong_kd.study.board import Board
from lifelong_kd.study.claim import TAKEN, claim
from lifelong_kd.study.engines.base import Engine, spawn, stop_all
from lifelong_kd.study.engines.processes import Processes, environments
from lifelong_kd.study.jobs import last_words, run_jobs
from lifelong_kd.study.plan import Job
from lifelong_kd.study.screen import Lines


def run(jobs: Sequence[Job], slots: int, ended: Any = lambda *_: None) -> Board:
    board = Board.of(jobs)
    run_jobs(board, Processes(slots), ended)
    return board


def test_a_failed_job_stops_no_other(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "bad", "print('no'); raise SystemExit(3)"),
        job(tmp_path, "done", None),
        job(tmp_path, "good", "import os; print(os.environ['OMP_NUM_THREADS'])"),
        job(tmp_path, "killed", "import os; print('task 3', flush=True); os.kill(os.getpid(), 9)"),
    ]
    told: dict[str, str] = {}
    board = run(jobs, 2, lambda job, failure, seconds: told.update({job.name: failure}))
    assert told == {
        "bad": "no (exit status 3)",
        "good": "",
        "killed": "killed by SIGKILL",
    }
    assert board.failed == {name: told[name] for name in ("bad", "killed")}
    assert [job.name for job in board.finished] == ["done", "good"]
    assert board.total == 4 and not board.running and not board.waiting
    assert board.counts() == "4 cells: 2 finished, 0 running, 2 failed, 0 waiting"
    assert jobs[0].log.read_text() == "no\n"
    assert int(jobs[2].log.read_text()) >= 1


def test_slots_are_kept(tmp_path: Path) -> None:
    code = "import time; print(time.time()); time.sleep(0.2); print(time.time())"
    jobs = [job(tmp_path, str(number), code) for number in range(3)]
    assert run(jobs, 1).failed == {}
    spans = sorted([float(word) for word in job.log.read_text().split()] for job in jobs)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_every_process(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: (print('told'), sys.exit(0)));"
        "print('up', flush=True); time.sleep(60)"
    )
    jobs = [job(tmp_path, name, code) for name in ("a", "b")]

    def stop() -> None:
        while not all(job.log.exists() and job.log.read_text() == "up\n" for job in jobs):
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    thread = threading.Thread(target=stop)
    thread.start()
    board, said = Board.of(jobs), list[str]()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(board, Processes(2), lambda *_: None, stopping=Lines(board, said.append).stopping)
    thread.join()
    assert [job.log.read_text() for job in jobs] == ["up\ntold\n"] * 2
    assert said == ["stopping 2 cells: they save what they have (Ctrl-C again: do not wait)"]
    assert board.counts() == "2 cells: 0 finished, 0 running, 0 failed, 2 waiting"
    assert [job.name for job in board.waiting] == ["a", "b"]


def test_a_second_stop_kills_all_that_are_left(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    processes = [spawn([sys.executable, "-S", "-c", deaf], tmp_path / name) for name in "abc"]
    while not all((tmp_path / name).read_text() == "up\n" for name in "abc"):
        time.sleep(0.02)

    def again() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=again)
    thread.start()
    began = time.monotonic()
    stop_all(processes)
    thread.join()
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * 3
    assert time.monotonic() - began < 20


class Scripted(Engine):
    """Each job is over at once, with the statuses it was given one after another."""

    pause = 0.0

    def __init__(self, **statuses: list[int]) -> None:
        self.statuses = statuses
        self.started: list[str] = []

    def start(self, job: Job) -> str:
        self.started.append(job.name)
        return job.name

    def poll(self, handle: str) -> int:
        return self.statuses[handle].pop(0)

    def stop(self, handles: Sequence[str]) -> None:
        raise AssertionError("nobody stops here")


def test_cells_of_another_sweep_are_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finishes one, fails in the second and is killed in the third, which is taken over."""
    monkeypatch.setattr(lifelong_kd.study.jobs, "LOOK", 0.0)
    jobs = [job(tmp_path, name, "") for name in ("finished", "failed", "killed", "own")]
    held = [claim(one.folder) for one in jobs[:3]]
    looks = 0

    def tick() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            assert engine.started == ["own"] and [one.name for one in board.elsewhere] == [
                "finished",
                "failed",
                "killed",
            ]
            assert board.counts().endswith("3 running elsewhere, 0 failed, 0 waiting")
            pretend(jobs[0].folder, "finished")
            pretend(jobs[1].folder, "failed")
            pretend(jobs[2].folder, "running")
            jobs[1].log.parent.mkdir()
            jobs[1].log.write_text("error: the loss is nan.\n")
            for file in held:
                assert file is not None
                file.close()

    engine, board = Scripted(own=[0], killed=[0]), Board.of(jobs)
    run_jobs(board, engine, lambda *_: None, tick)
    assert engine.started == ["own", "killed"]
    assert board.failed == {"failed": "the loss is nan"}
    assert {one.name for one in board.finished} == {"own", "finished", "killed"}
    # A resumed cell says nothing of how long one takes.
    assert len(board.lasted) == 1


def test_a_cell_that_was_taken_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifelong_kd.study.jobs, "LOOK", 0.0)
    engine, board = Scripted(a=[TAKEN, 0]), Board.of([job(tmp_path, "a", "")])
    run_jobs(board, engine, lambda *_: None)
    assert engine.started == ["a", "a"] and [one.name for one in board.finished] == ["a"]


def test_a_cell_that_another_sweep_has_finished_is_not_started(tmp_path: Path) -> None:
    one, told = job(tmp_path, "a", ""), list[float | None]()
    pretend(one.folder, "finished")
    engine, board = Scripted(), Board.of([one])
    run_jobs(board, engine, lambda job, failure, seconds: told.append(seconds))
    assert engine.started == [] and board.finished == [one] and told == [None]


def test_a_gpu_for_each_slot_in_turn() -> None:
    found = environments({"OMP_NUM_THREADS": "3"}, 3, 8, ["2", "5"])
    assert found == [{"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": gpu} for gpu in ("2", "5", "2")]
    assert environments({"A": "b"}, 1, 8, ["0"]) == [{"A": "b"}]


def test_slots_are_given_back(tmp_path: Path) -> None:
    engine = Processes(2)
    quick, slow = job(tmp_path, "quick", ""), job(tmp_path, "slow", "import time; time.sleep(60)")
    first, second = engine.start(quick), engine.start(slow)
    while engine.poll(first) is None:
        time.sleep(0.01)
    third = engine.start(quick)
    assert [handle[1] for handle in (first, second, third)] == [0, 1, 0]
    engine.stop([second, third])
    assert engine.poll(second) == -signal.SIGINT


def test_last_words_are_the_error(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_words(log).startswith("its log cannot be read")
    log.write_text("task 0\rtask 1\nerror: the loss is nan\n\n")
    assert last_words(log) == "the loss is nan"
    log.write_text("\n")
    assert last_words(log) == "it wrote nothing"
