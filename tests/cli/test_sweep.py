from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from lifelong_kd.config.grid import parse_grid
from lifelong_kd.config.load import load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.jobs import last_words, run_jobs
from lifelong_kd.study.plan import Job, plan


def _job(folder: Path, name: str, code: str | None) -> Job:
    command = None if code is None else (sys.executable, "-S", "-c", code)
    return Job(name, folder / name, command, folder / "logs" / f"{name}.log")


def test_a_failed_job_stops_no_other(tmp_path: Path) -> None:
    jobs = [
        _job(tmp_path, "bad", "print('no'); raise SystemExit(3)"),
        _job(tmp_path, "done", None),
        _job(tmp_path, "good", "import os; print(os.environ['OMP_NUM_THREADS'])"),
    ]
    ended: list[tuple[str, int]] = []
    failed = run_jobs(jobs, 2, lambda job, status, seconds: ended.append((job.name, status)))
    assert sorted(ended) == [("bad", 3), ("good", 0)]
    assert [job.name for job in failed] == ["bad"]
    assert jobs[0].log.read_text() == "no\n"
    assert int(jobs[2].log.read_text()) >= 1


def test_slots_are_kept(tmp_path: Path) -> None:
    code = "import time; print(time.time()); time.sleep(0.2); print(time.time())"
    jobs = [_job(tmp_path, str(number), code) for number in range(3)]
    assert run_jobs(jobs, 1, lambda *_: None) == []
    spans = sorted([float(word) for word in job.log.read_text().split()] for job in jobs)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_every_process(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: (print('told'), sys.exit(0)));"
        "print('up', flush=True); time.sleep(60)"
    )
    jobs = [_job(tmp_path, name, code) for name in ("a", "b")]

    def stop() -> None:
        while not all(job.log.exists() and job.log.read_text() == "up\n" for job in jobs):
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, 2, lambda *_: None)
    thread.join()
    assert [job.log.read_text() for job in jobs] == ["up\ntold\n"] * 2


CONFIG = "stream: split_digits\nmodel: mlp\nstrategy: naive\n"


def _pretend(folder: Path, overrides: list[str], path: Path, status: str) -> None:
    folder.mkdir(parents=True)
    loaded = load_config(path, overrides)
    (folder / "config.yaml").write_text(loaded.dump())
    results = {
        "status": status,
        "strategy": "naive",
        "stream": "split_digits",
        "scenario": "class",
        "seed": 0,
    }
    (folder / "results.json").write_text(json.dumps(results))


def test_plan_skips_resumes_and_begins(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    study = tmp_path / "study"
    cells = parse_grid(["seed=0..2", "training.epochs=1"])
    _pretend(study / "seed-0", ["seed=0", "training.epochs=1"], path, "finished")
    _pretend(study / "seed-1", ["seed=1", "training.epochs=1"], path, "running")
    finished, resumed, fresh = plan(path, cells, study, [])
    assert finished.command is None
    assert resumed.command is not None and resumed.command[3:] == ("resume", str(study / "seed-1"))
    assert fresh.command is not None
    expected = ("run", str(path), "seed=2", "training.epochs=1", "--out", str(study / "seed-2"))
    assert fresh.command[3:] == expected
    assert not (study / "logs").exists()
    with pytest.raises(
        BadCall, match=r"seed-0 holds a run with other settings \(training.epochs: 1 there, 2 here\)"
    ):
        plan(path, parse_grid(["seed=0..2", "training.epochs=2"]), study, [])


def test_cells_that_the_default_name_does_not_tell_apart_get_their_own(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    jobs = plan(path, parse_grid(["optimizer.lr=0.1,0.2"]), tmp_path / "study", [])
    commands = [job.command for job in jobs if job.command is not None]
    assert [command[6] for command in commands] == [
        "name=split_digits-class-naive-s0-lr-0.1",
        "name=split_digits-class-naive-s0-lr-0.2",
    ]


def test_last_words_are_the_error(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_words(log).startswith("its log cannot be read")
    log.write_text("task 0\rtask 1\nerror: the loss is nan\n\n")
    assert last_words(log) == "the loss is nan"
    log.write_text("\n")
    assert last_words(log) == "it wrote nothing"
