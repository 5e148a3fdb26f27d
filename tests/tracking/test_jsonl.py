"""metrics.jsonl survives a kill and goes on after it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.jsonl import NAME, JsonlTracker, read, truncate

MakeRun = Callable[..., RunInfo]


def logged(run: RunInfo, count: int) -> JsonlTracker:
    tracker = JsonlTracker()
    tracker.start(run)
    for index in range(count):
        tracker.log({"train/loss": 0.5 * index}, "iteration", {"task": 0, "epoch": 0, "iteration": index})
    return tracker


def test_a_line_is_on_disk_as_soon_as_it_is_logged(tmp_path: Path, run_info: MakeRun) -> None:
    tracker = logged(run_info(tmp_path), 1)
    tracker.log({"task/accuracy/0": 0.75, "task/classes": "0 1", "none": None}, "task", {"task": 0})
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    assert [line["axis"] for line in lines] == ["iteration", "task"]
    assert lines[0]["values"] == {"train/loss": 0.0}
    assert set(lines[1]) == {"axis", "task", "epoch", "iteration", "evaluation", "time", "values"}
    assert (lines[1]["task"], lines[1]["epoch"], lines[1]["iteration"]) == (0, None, None)
    assert lines[1]["values"] == {"task/accuracy/0": 0.75, "task/classes": "0 1", "none": None}
    assert tracker.position() == 2
    tracker.finish("finished")
    tracker.finish("finished")


def test_numpy_numbers_and_infinities_come_back(tmp_path: Path, run_info: MakeRun) -> None:
    tracker = logged(run_info(tmp_path), 0)
    values = {"a": np.float32(0.5), "b": np.int64(3), "nan": math.nan, "inf": math.inf, "minus": -math.inf}
    tracker.log(values, "epoch", {"epoch": np.int64(1)})
    text = (tmp_path / NAME).read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["epoch"] == 1
    back = read(tmp_path)[0]["values"]
    assert (back["a"], back["b"], back["inf"], back["minus"]) == (0.5, 3, math.inf, -math.inf)
    assert math.isnan(back["nan"])


def test_a_half_written_last_line_is_neither_read_nor_continued(tmp_path: Path, run_info: MakeRun) -> None:
    logged(run_info(tmp_path), 3).finish("finished")
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + b'{"axis":"iteration","ta')
    assert len(read(tmp_path)) == 3
    tracker = logged(run_info(tmp_path), 1)
    assert tracker.position() == 4
    assert [line["values"]["train/loss"] for line in read(tmp_path)] == [0.0, 0.5, 1.0, 0.0]


def test_truncate_goes_back_to_a_checkpoint(tmp_path: Path, run_info: MakeRun) -> None:
    logged(run_info(tmp_path), 5).finish("interrupted")
    whole = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    assert truncate(tmp_path, 2) == 2
    assert (tmp_path / NAME).read_bytes() == b"".join(whole[:2])
    assert truncate(tmp_path, 9) == 2
    assert truncate(tmp_path, 0) == 0
    assert (tmp_path / NAME).read_bytes() == b""
    assert truncate(tmp_path / "nothing", 3) == 0
    with pytest.raises(BadCall, match="-1"):
        truncate(tmp_path, -1)


def test_a_damaged_line_is_named(tmp_path: Path, run_info: MakeRun) -> None:
    logged(run_info(tmp_path), 2).finish("finished")
    with (tmp_path / NAME).open("a") as file:
        file.write("not json\n")
    with pytest.raises(BadCall, match=r"metrics\.jsonl, line 3"):
        read(tmp_path)


def test_logging_outside_of_a_run_is_an_error() -> None:
    with pytest.raises(RunFailed, match="start comes before log"):
        JsonlTracker().log({"x": 1}, "task", {"task": 0})
