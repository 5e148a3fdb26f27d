"""Runs from their folders: what is taken, what is left out and why."""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.comparison.read import read_runs, state_of, status_of
from lifelong_kd.comparison.types import LeftOut, RunRecord
from lifelong_kd.core.errors import BadCall
from tests.comparison.folders import MATRIX, put


def only(path: Path) -> RunRecord:
    (record,), left = read_runs([path])
    assert left == []
    return record


def reason(path: Path) -> str:
    records, (left,) = read_runs([path])
    assert records == [] and left.source == str(path)
    return left.reason


def test_everything_of_a_run(tmp_path: Path) -> None:
    record = only(put(tmp_path / "a", seed=1, accuracy=0.6))
    assert (record.name, record.source) == ("digits-class-lwf-s1", str(tmp_path / "a"))
    assert (record.strategy, record.stream, record.scenario, record.seed) == ("lwf", "digits", "class", 1)
    assert record.scores == {
        "average_accuracy": 0.6,
        "average_incremental_accuracy": 0.6,
        "learning_accuracy": 0.6,
        "forgetting": 0.25,
        "backward_transfer": -0.4,
        "forward_transfer": None,
        "intransigence": 0.125,
        "calibration/nll": 1.5,
        "calibration/calibration_forgetting": None,
    }
    assert record.cost == {"training_seconds": 3.0, "memory_bytes": 0.0, "flops": None}
    assert record.value("cost/training_seconds") == 3.0 and record.value("calibration/nll") == 1.5
    assert record.matrix == tuple(map(tuple, MATRIX))
    assert record.class_order == (1, 0, 3, 2) and record.data == "digest-1"
    assert record.settings["strategy"] == {"name": "lwf", "temperature": 2.0}
    assert record.versions == {
        "python": "3.11.7",
        "torch": "2.15.0",
        "lifelong_kd": "0.1.0",
        "code": "abcdef0123+",
    }


def test_a_run_without_what_is_not_compared(tmp_path: Path) -> None:
    folder = put(tmp_path / "a", results={"class_order": None, "data": None, "accuracy_matrix": None})
    (folder / "environment.json").write_text("{")
    record = only(folder)
    assert (record.class_order, record.data, record.matrix, record.versions) == (None, None, (), {})


def test_studies_and_references(tmp_path: Path) -> None:
    first = put(tmp_path / "study" / "b", seed=0)
    second = put(tmp_path / "study" / "a", seed=1)
    put(tmp_path / "study" / "references" / "joint" / "x", seed=0)
    put(tmp_path / "references" / "y", seed=0)
    put(first / "inside", seed=5)
    put(tmp_path / "too" / "deep" / "to" / "find", seed=0)
    for paths in ([tmp_path / "study"], [tmp_path], [first, tmp_path, second]):
        records, left = read_runs(paths)
        assert sorted(record.source for record in records) == [str(second), str(first)] and left == []
    assert [record.source for record in read_runs([tmp_path / "study"])[0]] == [str(second), str(first)]
    assert len(read_runs([tmp_path / "references"])[0]) == 1  # asked for by name
    link = tmp_path / "link"
    link.symlink_to(first)
    assert len(read_runs([link, first])[0]) == 1


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "results.json",
            '{"status": "finished", "seed"',
            "results.json is not JSON: Expecting ':' delimiter: line 1",
        ),
        ("results.json", "", "results.json is not JSON"),
        ("results.json", "[]", "results.json holds a list, not a mapping"),
        ("results.json", "{}", "results.json has no status"),
        ("results.json", '{"status": "finished", "strategy": "x"}', "results.json: stream is None"),
        ("config.yaml", "a: [1,\nb: 2", "config.yaml is not YAML (line "),
        ("config.yaml", "- 1", "config.yaml holds no mapping"),
        ("config.yaml", "when: 2026-99-99", "config.yaml is not YAML"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    good = put(tmp_path / "good")
    bad = write(put(tmp_path / "bad", seed=1), name, content)
    records, (left,) = read_runs([tmp_path])
    assert [record.source for record in records] == [str(good)]
    assert left.source == str(bad) and left.reason.startswith(said), left.reason


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"average_accuracy": "high"}, "average_accuracy is 'high', not a number"),
        ({"forgetting": True}, "forgetting is True, not a number"),
        ({"seed": "zero"}, "seed is 'zero', not a whole number"),
        ({"seed": 0.5}, "seed is 0.5, not a whole number"),
        ({"strategy": {"temperature": 2}}, "strategy is {'temperature': 2}, which names no component"),
        ({"accuracy_matrix": [[0.5], 1]}, "accuracy_matrix is [[0.5], 1], not a list of rows"),
        ({"accuracy_matrix": [["x"]]}, "accuracy_matrix is 'x', not a number"),
        ({"class_order": "abc"}, "class_order is 'abc', not a list"),
        ({"average_accuracy": 10**400}, "int too large"),
    ],
)
def test_wrong_types(tmp_path: Path, results: dict[str, Any], said: str) -> None:
    assert f"results.json: {said}" in reason(put(tmp_path / "a", results=results))


def test_what_is_not_finite_is_undefined(tmp_path: Path) -> None:
    record = only(
        put(tmp_path / "a", results={"average_accuracy": float("nan"), "cost": {"seconds": float("inf")}})
    )
    assert record.scores["average_accuracy"] is None and record.cost == {"seconds": None}


def test_a_run_that_diverged_does_not_stop_the_others(tmp_path: Path) -> None:
    from lifelong_kd.comparison.compare import compare_runs

    put(tmp_path / "a", results={"calibration": {"nll": 1e200}})
    put(tmp_path / "b", seed=1)
    put(tmp_path / "c", seed=2)
    (row,) = compare_runs(read_runs([tmp_path])[0], scores=["calibration/nll"]).rows
    assert row.scores["calibration/nll"].values == (None, 1.5, 1.5)


def test_files_that_are_not_there_or_not_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path / "a")
    (folder / "results.json").write_bytes(b'{"status": "\xff"}')
    assert reason(folder) == "results.json is not text (byte 12)"
    put(tmp_path / "b")
    (tmp_path / "b" / "config.yaml").unlink()
    assert "no config.yaml" in reason(tmp_path / "b")
    put(tmp_path / "c")
    read = Path.read_text

    def refuse(path: Path, **options: Any) -> str:
        if path.name == "config.yaml":
            raise PermissionError(13, "Permission denied")
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert reason(tmp_path / "c") == "config.yaml cannot be read: Permission denied"


def test_a_closed_folder_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    put(tmp_path / "a")
    put(tmp_path / "closed" / "b")
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    records, left = read_runs([tmp_path])
    assert len(records) == 1
    assert left == [LeftOut(str(tmp_path / "closed"), "cannot be read: Permission denied")]
    with pytest.raises(BadCall, match="closed: cannot be read: Permission denied"):
        read_runs([tmp_path / "closed"])


def test_links_that_cannot_be_followed_leave_the_rest(tmp_path: Path) -> None:
    put(tmp_path / "a")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("none")
    (tmp_path / "itself").symlink_to(".")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.yaml").symlink_to("config.yaml")
    records, (left,) = read_runs([tmp_path])
    assert [record.source for record in records] == [str(tmp_path / "a")]
    assert left.source == str(tmp_path / "b")
    for name in ("loop", "nowhere"):
        with pytest.raises(BadCall, match=f"{name}: is a link to what is not there"):
            read_runs([tmp_path / name])


CLOSED = """
import os, sys
from pathlib import Path
from lifelong_kd.comparison.read import read_runs
from lifelong_kd.core.errors import BadCall
import lifelong_kd.training.folder
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
records, left = read_runs([Path(sys.argv[1])])
print(len(records), *(run.reason for run in left), sep="; ")
try:
    read_runs([Path(sys.argv[1]) / "closed"])
except BadCall as error:
    print(error)
"""


def test_what_the_system_itself_refuses(tmp_path: Path) -> None:
    import os
    import subprocess
    import tempfile

    # pytest's own folders are closed to anybody else, and root may read everything.
    with tempfile.TemporaryDirectory() as place:
        study = Path(place)
        study.chmod(0o755)
        for name in ("a", "closed", "unlisted"):
            put(study / name)
        (study / "link").mkdir()
        (study / "link" / "config.yaml").symlink_to(study / "closed" / "config.yaml")
        (study / "closed").chmod(0)
        (study / "unlisted").chmod(0o444)
        try:
            done = subprocess.run(
                [sys.executable, "-c", CLOSED, place], capture_output=True, text=True, timeout=60
            )
        finally:
            (study / "closed").chmod(0o755)
            (study / "unlisted").chmod(0o755)
    assert done.returncode == 0, done.stderr
    told, refused = done.stdout.splitlines()
    assert (
        told.split("; ")[:2] == ["1", "cannot be read: Permission denied"] and told.count("Permission") == 2
    )
    assert refused == f"{os.path.join(place, 'closed')}: cannot be read: Permission denied"


def test_runs_that_are_not_finished(tmp_path: Path) -> None:
    matrix = [[0.9, 0.1, 0.0], [0.5, 0.7, 0.0]]
    going = put(tmp_path / "going", status="running", results={"accuracy_matrix": matrix})
    assert reason(going) == f"was killed: task 2 of 3 done; `lifelong-kd resume {going}` goes on with it"
    with open(going / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert reason(going) == "is still running: task 2 of 3 done"
    write(going, "run.json", json.dumps({"status": "failed", "error": "loss is nan.\nlook"}))
    assert reason(going) == "failed: loss is nan. look; task 2 of 3 done"
    write(going, "run.json", '{"status": "interrupted"}')
    assert reason(going) == "was interrupted: task 2 of 3 done"
    (going / "results.json").unlink()
    assert reason(going) == "was interrupted: no task done yet"
    (going / "run.json").unlink()
    spaced = put(tmp_path / "my runs" / "going", status="running")
    assert f"`lifelong-kd resume '{spaced}'` goes on" in reason(spaced)
    assert reason(going) == "has no results.json: it never began, or was killed in its first task"


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="none: there is no such folder"):
        read_runs([tmp_path / "none"])
    with pytest.raises(BadCall, match="neither a run folder nor a folder of runs"):
        read_runs([tmp_path])
    file = put(tmp_path / "a") / "results.json"
    with pytest.raises(BadCall, match="is a file: give the folder of the run"):
        read_runs([file])
    with pytest.raises(BadCall) as both:
        read_runs([file, tmp_path / "none"])
    assert len(str(both.value).splitlines()) == 2
    # What is there is compared all the same.
    records, left = read_runs([tmp_path / "none", tmp_path / "a", file])
    assert [record.source for record in records] == [str(tmp_path / "a")]
    assert left == [
        LeftOut(str(tmp_path / "none"), "there is no such folder"),
        LeftOut(str(file), "is a file: give the folder of the run"),
    ]


def test_states_of_a_folder(tmp_path: Path) -> None:
    assert state_of(tmp_path / "none") == "free"
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".lock").touch()
    assert state_of(tmp_path / "empty") == "free"
    (tmp_path / "empty" / "notes.txt").touch()
    assert state_of(tmp_path / "empty") == "foreign"
    assert state_of(tmp_path / "empty" / "notes.txt") == "foreign"
    done = put(tmp_path / "done")
    assert state_of(done) == "finished" and status_of(done) == "finished"
    assert state_of(put(tmp_path / "going", status="failed")) == "unfinished"
    write(done, "results.json", '{"status"')
    with pytest.raises(BadCall, match=r"done: not the results of a run: results\.json is not JSON"):
        state_of(done)
    write(done, "run.json", "[")
    assert status_of(done) is None and status_of(tmp_path / "none") is None


def test_reading_folders_imports_nothing_heavy(tmp_path: Path) -> None:
    import subprocess

    put(tmp_path / "a")
    code = (
        "import sys; from pathlib import Path; from lifelong_kd.comparison.read import read_runs;"
        "from lifelong_kd.comparison.groups import group_runs; rows, _ = group_runs(read_runs([Path(sys.argv[1])])[0]);"
        "assert len(rows) == 1;"
        "print([n for n in ('torch', 'avalanche', 'wandb', 'numpy', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
