"""Claims, the command of a cell, and what becomes of it when its sweep is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stub_jobs import CONFIG, pretend

from lifelong_kd.study import cell
from lifelong_kd.study.cell import PARENT, is_done
from lifelong_kd.study.claim import TAKEN, claim, in_use
from lifelong_kd.training.folder import RunFolder


def test_a_claim_is_one_process_s_and_ends_with_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    assert not in_use(folder) and not (tmp_path / ".claims").exists()
    held = claim(folder)
    assert held is not None and in_use(folder) and claim(folder) is None
    assert not in_use(tmp_path / "b")
    held.close()
    assert not in_use(folder)
    again = claim(folder)
    assert again is not None
    again.close()
    assert not folder.exists()


def test_a_run_without_a_claim_is_in_use_too(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.lock()
    assert in_use(tmp_path / "a")
    run.unlock()
    assert not in_use(tmp_path / "a")


def test_done_is_finished_with_the_references_asked_for(tmp_path: Path) -> None:
    assert not is_done(tmp_path / "a")
    pretend(tmp_path / "a", "running")
    assert not is_done(tmp_path / "a")
    pretend(tmp_path / "a", "finished")
    assert is_done(tmp_path / "a")
    pretend(tmp_path / "b", "finished", CONFIG + "evaluation: {references: make}\n")
    assert not is_done(tmp_path / "b")


def words_of(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str] | int:
    """What the command line is called with for the cell in a folder, or the status that it ends with before."""
    called: list[str] = []
    monkeypatch.setattr("runpy.run_module", lambda *_, **__: called.extend(sys.argv))
    monkeypatch.setattr(sys, "argv", ["cell", str(folder), "run", "c.yaml", "--out", str(folder)])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv(PARENT, raising=False)
    try:
        cell.main()
    except SystemExit as end:
        return int(end.code or 0)
    return called


def test_the_command_does_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a"
    assert words_of(monkeypatch, folder) == ["lifelong-kd", "run", "c.yaml", "--out", str(folder)]
    for status in ("running", "failed"):
        pretend(folder, status)
        assert words_of(monkeypatch, folder) == ["lifelong-kd", "resume", str(folder)]
    pretend(folder, "finished")
    assert words_of(monkeypatch, folder) == 0
    pretend(folder, "finished", CONFIG + "evaluation: {references: make}\n")
    assert words_of(monkeypatch, folder) == ["lifelong-kd", "resume", str(folder)]
    held = claim(folder)
    assert held is not None and words_of(monkeypatch, folder) == TAKEN
    held.close()
    run = RunFolder(folder)
    run.lock()
    assert words_of(monkeypatch, folder) == TAKEN
    run.unlock()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the claim alone tells of the process")
def test_a_cell_ends_when_its_sweep_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    inner = (
        "import time, signal, sys; from lifelong_kd.study import cell;"
        "signal.signal(signal.SIGTERM, lambda *_: (print('told'), sys.exit(0)));"
        "cell._end_with_parent(); print('up', flush=True); time.sleep(60)"
    )
    outer = (
        "import sys, time; from pathlib import Path; from lifelong_kd.study.engines.base import spawn;"
        f"spawn([sys.executable, '-c', {inner!r}], Path({str(log)!r})); time.sleep(60)"
    )
    sweep = subprocess.Popen([sys.executable, "-c", outer])
    until = time.monotonic() + 30
    while not log.exists() or log.read_text() != "up\n":
        assert sweep.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    sweep.kill()
    sweep.wait()
    while log.read_text() != "up\ntold\n":
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_a_cell_whose_sweep_is_gone_already_does_not_begin() -> None:
    environment = {**os.environ, PARENT: "1"}
    words = [sys.executable, "-m", "lifelong_kd.study.cell", "x", "run"]
    assert subprocess.run(words, env=environment, timeout=60).returncode == 128 + signal.SIGTERM
