"""No tracker ends a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value
from lifelong_kd.tracking.composite import Trackers

MakeRun = Callable[..., RunInfo]


class Recorder(Tracker):
    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.calls: list[str] = []
        self.heard: list[tuple[str, str]] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.broken:
            raise OSError("disk\nfull")

    def start(self, run: RunInfo) -> None:
        self._called("start")

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        self._called("log")

    def finish(self, status: Status) -> None:
        self._called("finish")

    def closing(self) -> Sequence[tuple[str, str]]:
        return [("where", self.broken or "fine")]

    def farewell(self, lines: Sequence[tuple[str, str]]) -> None:
        self.heard = list(lines)


def whole_run(trackers: Trackers, run: RunInfo) -> None:
    folder = run.folder
    trackers.start(run)
    trackers.log({"x": 1.0}, "task", {"task": 0})
    trackers.log({"x": 2.0}, "task", {"task": 1})
    trackers.progress(0, 0, 1, 1, 10)
    trackers.figure("f", folder / "f.png", {})
    trackers.table("t", ["a"], [[1]], {})
    trackers.artifact(folder, "m", "model", {})
    trackers.summary({"average_accuracy": 1.0})
    trackers.message("hello")
    trackers.finish("finished")


@pytest.mark.parametrize(
    ("broken", "calls"),
    [("start", ["start", "finish"]), ("log", ["start", "log", "finish"]), ("finish", None)],
)
def test_a_tracker_that_raises_is_reported_once_and_dropped(
    broken: str,
    calls: list[str] | None,
    tmp_path: Path,
    run_info: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad, good = Recorder(broken), Recorder()
    trackers = Trackers([bad, good])
    whole_run(trackers, run_info(tmp_path))
    everything = ["start", "log", "log", "finish"]
    assert good.calls == everything
    assert bad.calls == (calls or everything)
    error = capsys.readouterr().err
    assert error == "lifelong-kd: Recorder failed and is left out from here on (OSError: disk full)\n"
    assert list(trackers) == [good]
    assert len(trackers) == 1
    # What the dropped one has written before is still named.
    assert good.heard == [("where", broken), ("where", "fine")]


def test_all_broken_and_none_at_all(
    tmp_path: Path, run_info: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_run(Trackers([]), run_info(tmp_path))
    assert capsys.readouterr().err == ""
    whole_run(Trackers([Recorder("start"), Recorder("log")]), run_info(tmp_path))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_interrupt_passes_through(tmp_path: Path, run_info: MakeRun) -> None:
    class Interrupted(Recorder):
        def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole_run(Trackers([Interrupted()]), run_info(tmp_path))
