"""Ray and Slurm, with workers on this machine, and what is said where they cannot be had."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from stub_jobs import job

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.study.board import Board
from lifelong_kd.study.engines.choose import choose_engine
from lifelong_kd.study.engines.on_ray import OnRay
from lifelong_kd.study.engines.on_slurm import OnSlurm, Repeatable
from lifelong_kd.study.engines.options import checked, pairs
from lifelong_kd.study.engines.processes import Processes
from lifelong_kd.study.jobs import run_jobs

UP = (
    "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: (print('told'), sys.exit(130)));"
    "print('up', flush=True); time.sleep(60)"
)


def wait_for_words(log: Path, words: str) -> None:
    until = time.monotonic() + 60
    while not log.exists() or log.read_text() != words:
        assert time.monotonic() < until, log.read_text() if log.exists() else "no log"
        time.sleep(0.02)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own; Ray's own variables are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else a token is written to the home folder
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    return tmp_path


def test_ray_runs_and_stops_cells(here: Path) -> None:
    """One cluster for all of it: starting it takes seconds."""
    engine = OnRay({"num_cpus": "0.5"})
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert engine.slots == 2 * (os.cpu_count() or 1)
    close, engine.close = engine.close, lambda: None  # type: ignore[method-assign]
    try:
        jobs = [
            job(Path("study"), "good", "import os; print(os.environ['OMP_NUM_THREADS'], os.getcwd())"),
            job(Path("study"), "bad", "print('no'); raise SystemExit(3)"),
        ]
        board = Board.of(jobs)
        run_jobs(board, engine, lambda *_: None)
        assert [one.name for one in board.finished] == ["good"]
        assert board.failed == {"bad": "no (exit status 3)"}
        assert (here / jobs[0].log).read_text() == f"1 {here}\n"
        up = job(Path("study"), "up", UP)

        def stop() -> None:
            wait_for_words(here / up.log, "up\n")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run_jobs(Board.of([up]), engine, lambda *_: None)
        thread.join()
        assert (here / up.log).read_text() == "up\ntold\n"
    finally:
        close()


def test_a_ray_cluster_that_does_not_answer(here: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.monotonic()
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(BadCall, match=rf"no Ray cluster answers at {address} \(Connection refused\)"):
            OnRay({"address": address})
    with pytest.raises(BadCall, match=r"the Ray address is 'somewhere'; allowed: HOST:PORT"):
        OnRay({"address": "somewhere"})
    assert time.monotonic() - begun < 10


def test_slurm_jobs_run_and_end_with_their_status(here: Path) -> None:
    """submitit runs them on this machine as it would have Slurm run them."""
    engine = OnSlurm({"cluster": "local", "timeout_min": "5"}, Path("study/slurm"), 3)
    jobs = [
        job(Path("study"), "good", "import os; print(os.getcwd())"),
        job(Path("study"), "bad", "print('no'); raise SystemExit(3)"),
    ]
    board = Board.of(jobs)
    run_jobs(board, engine, lambda *_: None)
    assert [one.name for one in board.finished] == ["good"]
    assert board.failed == {"bad": "no (exit status 3)"}
    assert (here / jobs[0].log).read_text() == f"{here}\n"
    up = job(Path("study"), "up", UP)
    handle = engine.start(up)
    wait_for_words(here / up.log, "up\n")
    assert engine.poll(handle) is None
    engine.stop([handle])
    assert (here / up.log).read_text() == "up\ntold\n"


def test_a_cell_whose_time_is_up_is_told_and_submitted_again(here: Path) -> None:
    up = job(here, "up", UP)
    assert up.command is not None
    cell = Repeatable(str(here), up.command, str(up.log))
    again = []

    def out_of_time() -> None:
        wait_for_words(up.log, "up\n")
        again.append(cell.checkpoint())

    thread = threading.Thread(target=out_of_time)
    thread.start()
    assert cell() == 130
    thread.join()
    assert up.log.read_text() == "up\ntold\n"
    repeated = again[0].function
    assert (repeated.command, repeated.folder, repeated.log) == (cell.command, cell.folder, cell.log)


def test_a_job_that_slurm_does_not_take(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from submitit.core.utils import FailedJobError

    engine = OnSlurm({"cluster": "local", "timeout_min": "5"}, here / "slurm", 1)

    def refuse(function: object) -> None:
        raise FailedJobError("sbatch: QOSMaxSubmitJobPerUserLimit\nmore")

    monkeypatch.setattr(engine._executor, "submit", refuse)
    with pytest.raises(RunFailed, match=r"the job of a: sbatch: QOSMaxSubmitJobPerUserLimit\. What"):
        run_jobs(Board.of([job(here, "a", "")]), engine, lambda *_: None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs --slurm timeout_min=MINUTES"),
        ({"timeout_min": "soon"}, "timeout_min: found 'soon', allowed: a whole number"),
        ({"timeout_min": "-5"}, "timeout_min: found '-5', allowed: a number of at least 0"),
        (
            {"timeout_min": "5", "partiton": "gpu"},
            "partiton: there is no such option; .*Did you mean 'partition'?",
        ),
        ({"timeout_min": "5", "cluster": "moon"}, "cluster: found 'moon', allowed: slurm, local"),
        ({"timeout_min": "5", "cluster": "slurm"}, "submitit cannot use Slurm as asked: .*srun"),
    ],
)
def test_slurm_options_are_checked(
    here: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("PATH", str(here))
    with pytest.raises(BadCall, match=message):
        OnSlurm(options, here / "slurm", 1)


def test_missing_packages_name_the_extra(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "submitit"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadCall, match=r"pip install 'lifelong_kd\[ray\]'"):
        choose_engine("ray", here, None, 3)
    with pytest.raises(BadCall, match=r"pip install 'lifelong_kd\[slurm\]'"):
        choose_engine("slurm", here, None, 3)


def test_options_are_for_their_engine(here: Path) -> None:
    engine = choose_engine("processes", here, None, 3)
    assert isinstance(engine, Processes) and engine.slots == 1
    with pytest.raises(BadCall, match="--ray is for --engine ray, and the engine is processes"):
        choose_engine("processes", here, 2, 3, ray=["num_cpus=2"])
    with pytest.raises(BadCall, match="--slurm is for --engine slurm, and the engine is ray"):
        choose_engine("ray", here, 2, 3, slurm=["timeout_min=2"])
    slurm = choose_engine("slurm", here, None, 7, slurm=["timeout_min=2", "cluster=local"])
    assert slurm.slots == 7


def test_options_are_read() -> None:
    assert pairs("ray", ["address=a:1", "num_cpus=2"]) == {"address": "a:1", "num_cpus": "2"}
    for texts in (["address"], ["=1"], ["num_cpus="]):
        with pytest.raises(BadCall, match="allowed is KEY=VALUE"):
            pairs("ray", texts)
    with pytest.raises(BadCall, match="--ray a is given twice"):
        pairs("ray", ["a=1", "a=2"])
    found = checked(
        "x", {"a": "1", "b": "7", "c": "[1]", "d": "true"}, {"a": float, "b": str, "c": None, "d": bool}
    )
    assert found == {"a": 1.0, "b": "7", "c": [1], "d": True} and isinstance(found["a"], float)
    with pytest.raises(BadCall, match="--x a: found 'true', allowed: a whole number"):
        checked("x", {"a": "true"}, {"a": int})
