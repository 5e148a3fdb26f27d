from __future__ import annotations

import io
import json
import re
import time
from collections import deque
from pathlib import Path

import pytest
from rich.console import Console
from stub_jobs import job

from lifelong_kd.study.board import Board, Running
from lifelong_kd.study.going import Going, Looker
from lifelong_kd.study.screen import Lines, Screen, open_screen


def test_lines_say_how_each_ended_and_what_is_left(tmp_path: Path) -> None:
    said: list[str] = []
    a, b, c = (job(tmp_path, name, "", ("lwf",)) for name in "abc")
    board = Board.of([a, b, c])
    with Lines(board, said.append) as lines:
        board.waiting.clear()
        board.failed["a"] = "the loss is nan"
        board.waiting.extend([b, c])
        lines.ended(a, "the loss is nan", 2.0)
        board.waiting = deque([c])
        board.lasted.append((("lwf",), 130.0))
        lines.ended(b, "", 130.0)
        lines.ended(c, "", None)
        lines.tick()
    assert said == [
        f"[1/3] a: failed: the loss is nan; see {a.log} (2.0 s)",
        "[2/3] b: finished (130.0 s; about 2 min left)",
        "[3/3] c: finished (in another process)",
    ]


def test_how_far_a_run_has_come(tmp_path: Path) -> None:
    looker = Looker()
    assert looker.look(tmp_path) == Going()
    results = {"accuracy_matrix": [[0.5, 0.0, 0.1]], "average_accuracy": 0.5}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert looker.look(tmp_path) == Going(1, 3, 0.5)
    assert looker.look(tmp_path).words() == "task 2 of 3"
    path.unlink()
    assert looker.look(tmp_path) == Going()
    path.write_text("{")
    assert looker.look(tmp_path) == Going()
    path.write_text('{"accuracy_matrix": [], "average_accuracy": null}')
    assert looker.look(tmp_path).words() == "task 1"


def drawn(board: Board, height: int = 24) -> tuple[str, Screen]:
    """What a terminal of 80 columns shows of a board."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=80, height=height, color_system=None)
    with Screen(board, console) as screen:
        screen.tick()
    return output.getvalue(), screen


def test_a_table_of_what_runs(tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"seed-{seed}", "", ("lwf",)) for seed in range(1000)]
    board = Board.of(jobs, slots=40)
    for _ in range(40):
        one = board.waiting.popleft()
        board.running[one.name] = Running(one, None, time.monotonic() - 30.2, True)
    board.finished.append(board.waiting.popleft())
    board.failed["x"] = "no"
    (tmp_path / "seed-1").mkdir()
    results = {"accuracy_matrix": [[0.5, 0.0]] * 1, "average_accuracy": 0.45678}
    (tmp_path / "seed-1" / "results.json").write_text(json.dumps(results))
    shown, _ = drawn(board)
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines() if line.strip()]
    assert (
        lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    )  # rich draws once more before it takes it away
    lines = lines[: len(lines) // 2]
    assert lines[0].strip() == "1001 cells: 1 finished, 40 running, 1 failed, 959 waiting"
    # The one that has done a task of two in half a minute is all there is to judge by.
    assert lines[1].strip() == "time left: about 25 min"
    assert lines[3].split() == ["seed-0", "task", "1", "-", "30"]
    assert lines[4].split() == ["seed-1", "task", "2", "of", "2", "45.68", "%", "30"]
    assert lines[-1].strip() == "and 23 more" and len(lines) == 3 + 17 + 1
    board.lasted.append((("lwf",), 60.0))
    # 959 cells of a minute on 40 slots that are free in half a minute: 24 more.
    assert "time left: about 24 min" in drawn(board)[0]


def test_what_was_done_before_says_nothing_of_how_long_a_task_takes(tmp_path: Path) -> None:
    one, other = (job(tmp_path, name, "") for name in "ab")
    one.folder.mkdir()
    results = {"accuracy_matrix": [[0.5] * 10] * 4, "average_accuracy": 0.5}
    (one.folder / "results.json").write_text(json.dumps(results))
    board = Board.of([other])
    board.running["a"] = Running(one, None, 100.0, False, before=4)
    assert board.seconds_left(160.0) is None
    board.running["a"] = Running(one, None, 100.0, False, before=1)
    # Three tasks in a minute, so ten in 200 s: 140 of this one, and then the other.
    assert board.seconds_left(160.0) == pytest.approx(340.0)


def test_the_table_is_not_drawn_again_at_once(tmp_path: Path) -> None:
    board = Board.of([job(tmp_path, "a", "")])
    shown, screen = drawn(board)
    assert shown.count("1 cells: 0 finished") >= 1
    before = screen._drawn
    screen.tick()
    assert screen._drawn == before


def test_only_failures_are_printed_above_the_table(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=200, color_system=None)
    one = job(tmp_path, "a[b]", "")
    with Screen(Board.of([one]), console) as screen:
        screen.ended(one, "", 1.0)
        screen.ended(one, "no [bold]", 1.0)
    shown = output.getvalue()
    assert f"a[b]: failed: no [bold]; see {one.log}" in shown and "a[b]: finished" not in shown


def test_in_a_pipe_there_are_lines(tmp_path: Path) -> None:
    assert type(open_screen(Board.of([]), print)) is Lines
