"""What a person sees: plain lines in a log, a table drawn in place in a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.console import ConsoleTracker
from lifelong_kd.tracking.console import tracker as module
from lifelong_kd.tracking.console.text import duration, percent
from lifelong_kd.tracking.jsonl import JsonlTracker

MakeRun = Callable[..., RunInfo]

FIRST: Mapping[str, Any] = {
    "task/classes": "0 1",
    "task/train_accuracy": 1.0,
    "task/validation_accuracy": 0.98765,
    "task/test_accuracy": 0.975,
    "task/accuracy/0": 0.975,
    "score/average_accuracy": 0.975,
    "score/forgetting": None,
    "task/seconds": 5.25,
}
SECOND: Mapping[str, Any] = {
    "task/classes": "2 3",
    "task/train_accuracy": 0.5,
    "task/test_accuracy": 0.25,
    "task/accuracy/0": 0.875,
    "task/accuracy/1": 0.25,
    "score/average_accuracy": 0.5625,
    "score/forgetting": 0.1,
    "task/seconds": 75,
}
SCORES = {"average_accuracy": 0.5625, "forgetting": 0.1, "backward_transfer": -0.1, "forward_transfer": None}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(width: int = 100, height: int = 30) -> Console:
    return Console(
        file=Terminal(),
        force_terminal=True,
        width=width,
        height=height,
        color_system=None,
        legacy_windows=False,
    )


def log(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def two_tasks(tracker: ConsoleTracker, run: RunInfo) -> None:
    tracker.start(run)
    for task, values in enumerate((FIRST, SECOND)):
        tracker.log({"train/loss": 0.125}, "iteration", {"task": task, "epoch": 0, "iteration": 1})
        tracker.progress(task, 1, 3, 15, 30)
        tracker.log(values, "task", {"task": task})
    tracker.summary(SCORES)
    tracker.finish("finished")
    tracker.farewell(
        [("W&B offline", "runs/x/wandb/offline-run-1"), ("to upload", "wandb sync runs/x/" + "y" * 120)]
    )


def test_plain_lines(tmp_path: Path, run_info: MakeRun) -> None:
    tracker = ConsoleTracker(mode="auto")
    tracker.output = log()
    two_tasks(tracker, run_info(Path("runs/x"), tasks=2))
    lines = written(tracker.output).splitlines()
    end = next(line for line in lines if line.startswith("finished in"))
    lines.remove(end)
    assert lines == [
        "run digits lwf 0: lwf on split_digits, class-incremental, 2 tasks, seed 0; accuracies in %",
        "task  classes               train  valid   test  average  forgetting       time",
        "   0  0 1                  100.00  98.77  97.50    97.50           -      5.2 s",
        "   1  2 3                   50.00      -  25.00    56.25       10.00   1:15 min",
        "",
        "  average accuracy                56.25 %",
        "  forgetting                      10.00 %",
        "  backward transfer              -10.00 %",
        "  forward transfer                    -",
        "  accuracy on tasks learned, %    87.5  25.0",
        "",
        "  run folder   runs/x",
        "  W&B offline  runs/x/wandb/offline-run-1",
        # The command is to be copied: it stays on one line, however long.
        "  to upload    wandb sync runs/x/" + "y" * 120,
    ]
    assert "\x1b" not in written(tracker.output)


def test_a_log_shows_that_a_long_task_goes_on(
    run_info: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    tracker = ConsoleTracker(mode="plain")
    tracker.output = log()
    tracker.start(run_info(tmp_path))
    tracker.log({"train/loss": 0.12345678}, "iteration", {"iteration": 1})
    for done in range(1, 101):
        now[0] += 1.0
        tracker.progress(3, 1, 4, done, 100)
    lines = written(tracker.output).splitlines()[2:]
    assert lines == [
        "   3  ... 31 %, epoch 2/4, loss 0.1235, 1:07 min left",
        "   3  ... 61 %, epoch 2/4, loss 0.1235, 38.4 s left",
        "   3  ... 91 %, epoch 2/4, loss 0.1235, 8.9 s left",
    ]


def test_a_terminal_gets_a_table_with_the_bar_in_it(run_info: MakeRun, tmp_path: Path) -> None:
    tracker = ConsoleTracker(mode="auto")
    tracker.output = screen()
    tracker.start(run_info(tmp_path))
    tracker.log(FIRST, "task", {"task": 0})
    before = len(written(tracker.output))
    tracker.log({"train/loss": 0.125}, "iteration", {"iteration": 1})
    tracker.progress(1, 1, 3, 15, 30)
    frame = written(tracker.output)[before:]
    inside = [line for line in frame.splitlines() if line.startswith("│")]
    assert any(line.split()[1:4] == ["0", "0", "1"] and "98.77" in line for line in inside)
    bar = inside[-1]
    assert "task 1 (2 of 5)" in bar
    assert "━" in bar
    assert "50 %" in bar
    assert "epoch 2/3  loss 0.125" in bar
    # Not drawn again at once: the training is not to wait for the screen.
    before = len(written(tracker.output))
    tracker.progress(1, 1, 3, 16, 30)
    assert len(written(tracker.output)) == before
    tracker.finish("interrupted")
    tracker.farewell([])
    last = written(tracker.output)[before:]
    assert "98.77" in last
    assert "interrupted after" in last
    assert "1 of 5 tasks done" in last
    assert written(tracker.output).count("\x1b[?25l") == written(tracker.output).count("\x1b[?25h") == 1


@pytest.mark.parametrize("width", [100, 80, 60])
def test_no_line_is_wider_than_the_terminal(width: int, run_info: MakeRun, tmp_path: Path) -> None:
    tracker = ConsoleTracker(mode="live")
    tracker.output = screen(width=width)
    tracker.start(run_info(tmp_path))
    tracker.progress(0, 0, 3, 1, 30)
    tracker.log({**FIRST, "task/classes": " ".join(map(str, range(50)))}, "task", {"task": 0})
    tracker.progress(1, 0, 3, 1, 30)
    table = [line for line in written(tracker.output).splitlines() if "│" in line]
    assert table
    assert max(len(line) for line in table) == width
    assert any("97.50" in line and "5.2 s" in line for line in table)
    assert any("average" in line and "forgetting" in line and "time" in line for line in table)


def test_many_tasks_do_not_push_the_bar_off_the_screen(run_info: MakeRun, tmp_path: Path) -> None:
    tracker = ConsoleTracker(mode="live")
    tracker.output = screen(height=15)
    tracker.start(run_info(tmp_path, tasks=50))
    for task in range(20):
        tracker.log(FIRST, "task", {"task": task})
    before = len(written(tracker.output))
    tracker.progress(20, 0, 3, 1, 30)
    frame = written(tracker.output)[before:]
    assert "14 earlier" in frame
    assert "task 20 (21 of 50)" in frame
    assert len(frame.splitlines()) <= 15
    before = len(written(tracker.output))
    tracker.finish("finished")
    # At the end the whole table stands there for good.
    assert written(tracker.output)[before:].rpartition("\x1b[2K")[2].count("98.77") == 20


def test_messages_are_shown_as_they_are(run_info: MakeRun, tmp_path: Path) -> None:
    for mode, console in (("plain", log()), ("live", screen())):
        tracker = ConsoleTracker(mode=mode)  # type: ignore[arg-type]
        tracker.output = console
        tracker.start(run_info(tmp_path))
        tracker.message("round 1 [bold]kept[/bold]")
        tracker.finish("finished")
        assert "round 1 [bold]kept[/bold]" in written(console)


def test_a_long_message_is_broken_between_words_beside_the_table(run_info: MakeRun, tmp_path: Path) -> None:
    tracker = ConsoleTracker(mode="live")
    tracker.output = screen(width=40)
    tracker.start(run_info(tmp_path))
    tracker.message(
        "  task 1 round 0: as configured; validation new 92.59, old 75.00 -> kept: the only round"
    )
    tracker.finish("finished")
    lines = [line.strip() for line in written(tracker.output).splitlines()]
    assert any(line.endswith("  task 1 round 0: as configured;") for line in lines)
    assert "validation new 92.59, old 75.00 ->" in lines


def test_families_that_were_asked_for_are_among_the_scores(run_info: MakeRun, tmp_path: Path) -> None:
    tracker = ConsoleTracker(mode="plain")
    tracker.output = log()
    tracker.start(run_info(tmp_path))
    tracker.summary({**SCORES, "robustness/corruption_accuracy": 0.5, "calibration/nll": 0.25})
    tracker.finish("finished")
    lines = [line for line in written(tracker.output).splitlines() if line.startswith("  ")]
    assert "  accuracy under corruption       50.00 %" in lines
    assert not any("nll" in line or "min-ACC" in line for line in lines)


def test_a_resumed_run_shows_the_tasks_done_before(run_info: MakeRun, tmp_path: Path) -> None:
    jsonl = JsonlTracker()
    jsonl.start(run_info(tmp_path))
    jsonl.log(FIRST, "task", {"task": 0})
    jsonl.finish("interrupted")
    tracker = ConsoleTracker(mode="plain")
    tracker.output = log()
    tracker.start(run_info(tmp_path, resumed=True))
    lines = written(tracker.output).splitlines()
    assert lines[2] == "   0  0 1                  100.00  98.77  97.50    97.50           -      5.2 s"
    assert lines[3] == "resumed with 1 of 5 tasks done"


def test_off_writes_nothing_and_other_words_are_refused(
    run_info: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = ConsoleTracker(mode="off")
    trackers = Trackers([tracker])
    trackers.start(run_info(tmp_path))
    trackers.log(FIRST, "task", {"task": 0})
    trackers.progress(0, 0, 1, 1, 2)
    trackers.message("hello")
    trackers.finish("finished")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    with pytest.raises(BadCall, match="'loud'"):
        ConsoleTracker(mode="loud")  # type: ignore[arg-type]


def test_numbers() -> None:
    assert [percent(value) for value in (1.0, 0.12345, -0.0000001, -0.02)] == [
        "100.00",
        "12.35",
        "0.00",
        "-2.00",
    ]
    assert [duration(value) for value in (0.04, 59.94, 59.96, 3599, 3600)] == [
        "0.0 s",
        "59.9 s",
        "1:00 min",
        "59:59 min",
        "1:00:00 h",
    ]
