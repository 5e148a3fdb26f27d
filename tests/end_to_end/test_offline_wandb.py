"""W&B's own files of real runs, killed and resumed, read back: keys, axes, values, lineage, and no network."""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, written

from lifelong_kd.tracking.wandb.keys import COUNTERS, KEYS, LINE, definition, find
from tests.tracking.conftest import read_records

CONFIG: dict[str, Any] = {
    **LWF,
    "stream": {"name": "split_digits", "experiences": 3},
    "model": {"name": "mlp", "hidden": [24], "head": "linear"},
    "strategy": {"name": "bic", "memory": 60},
    "rounds": {"name": "balance", "budget": 2, "noise": 0.0},
    "training": {"epochs": 2, "batch_size": 64, "checkpoint_every": 1},
    "evaluation": {"every": 1, "examples": {"count": 4, "samples": 20}},
    "tracking": {"wandb": {"mode": "offline", "tags": ["kept"]}, "console": "plain", "log_every": 2},
}
# Counters and what the SDK adds of itself.
OURS = {*COUNTERS, LINE}


@dataclass
class Told:
    """What lies in the W&B folders of a run."""

    parts: list[list[dict[str, Any]]]
    lines: list[dict[str, Any]]
    folder: Path
    connections: list[str] | None

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [record[kind] for part in self.parts for record in part if record["type"] == kind]

    @property
    def history(self) -> list[dict[str, Any]]:
        return [row["item"] for row in self.all("history")]


@pytest.fixture(scope="module")
def told(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    place = tmp_path_factory.mktemp("offline")
    config, run = written(place / "config.yaml", CONFIG), place / "run"
    kill = {"moment": [20, None, "after"]}
    assert nursery.call("run", config, "--out", run, **kill).status == -signal.SIGKILL
    watched = place / "connections"
    watching = watch(nursery, watched)
    # Watched it is slow, and shorter therefore.
    kill = {"moment": [45, None, "after"]}
    assert nursery.call("resume", run, **kill).status == -signal.SIGKILL
    if watching is not None:
        watching.send_signal(signal.SIGINT)
        watching.wait(30)
    nursery.finish("resume", run)
    parts = sorted((run / "wandb").glob("offline-run-*"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    connections = watched.read_text().splitlines() if watching is not None else None
    return Told([read_records(part) for part in parts], lines, run, connections)


def watch(nursery: Nursery, output: Path) -> subprocess.Popen[bytes] | None:
    """Have strace note every connection of the nursery and of all that it starts; None where there is no strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    nursery.call("--version")
    words = [
        strace,
        "-f",
        "-qq",
        "-e",
        "trace=connect,sendto",
        "-o",
        str(output),
        "-p",
        str(nursery._process.pid),
    ]
    watching = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 10
    while not output.exists() and time.monotonic() < until:
        if watching.poll() is not None:  # not allowed here
            return None
        time.sleep(0.05)
    return watching


def test_it_was_killed_twice_and_is_one_run(told: Told) -> None:
    assert len(told.parts) == 3
    runs = told.all("run")
    about = json.loads((told.folder / "run.json").read_text())
    assert {run["run_id"] for run in runs} == {about["run_id"]}
    assert {run["run_group"] for run in runs} == {"split_digits-class-bic"}
    exits = [
        [record["exit"]["exit_code"] for record in part if record["type"] == "exit"] for part in told.parts
    ]
    assert exits == [[], [], [0]]


def test_every_line_is_there_once_with_its_values(told: Told) -> None:
    rows = [row for row in told.history if LINE in row and not media(row)]
    seen = Counter(row[LINE] for row in rows)
    assert sorted(seen) == list(range(1, len(told.lines) + 1)) and set(seen.values()) == {1}
    for row in rows:
        line = told.lines[row[LINE] - 1]
        for counter in COUNTERS:
            if counter != LINE:
                assert row.get(counter) == line[counter]
        given = {key: value for key, value in row.items() if key not in OURS and not key.startswith("_")}
        expected = {
            key: value
            for key, value in line["values"].items()
            if value is not None and (known := find(key)) is not None and not known.detail
        }
        assert given.keys() == expected.keys()
        for key, value in given.items():
            same = value == expected[key] or (
                isinstance(value, float) and math.isclose(value, expected[key], rel_tol=1e-12)
            )
            assert same, key


def media(row: dict[str, Any]) -> bool:
    return any(key.endswith("._type") for key in row)


def name_of(key: str) -> str:
    """The key that was logged: the SDK writes a picture as several values behind it."""
    return re.sub(r"\.[a-z0-9_]+$", "", key)


def test_every_documented_key_is_there_on_its_axis(told: Told) -> None:
    logged = {name_of(key) if media(row) else key for row in told.history for key in row} - OURS
    logged = {key for key in logged if not key.startswith("_")}
    unknown = [key for key in logged if find(key) is None]
    assert unknown == []
    # No family that is on by default ends a run with a report of its own.
    documented = {known.pattern for known in KEYS if not known.detail} - {"report/<family>"}
    assert {found.pattern for key in logged if (found := find(key)) is not None} == documented
    # The first definition counts; a resumed run says the same again.
    defined: dict[str, dict[str, Any]] = {}
    for record in told.all("metric"):
        assert defined.setdefault(record["name"], record).get("step_metric") == record.get("step_metric")
    for key in logged:
        known = find(key)
        assert known is not None
        assert defined[key]["step_metric"] == definition(key, known.axis)["step_metric"] == known.axis


def test_the_summary_has_the_scores(told: Told) -> None:
    results = json.loads((told.folder / "results.json").read_text())
    summary: dict[str, Any] = {}
    for record in told.all("summary"):
        summary |= record["update"]
    assert summary["average_accuracy"] == pytest.approx(results["average_accuracy"])
    assert summary["forgetting"] == pytest.approx(results["forgetting"])
    assert summary["calibration/nll"] == pytest.approx(results["calibration"]["nll"])
    assert summary["cost/training_seconds"] == pytest.approx(results["cost"]["training_seconds"])


def test_the_lineage_of_the_artifacts_is_that_of_the_folder(told: Told) -> None:
    models = json.loads((told.folder / "lineage.json").read_text())["models"]
    artifacts = {record["name"]: record for record in told.all("artifact") if record["type"] == "model"}
    assert len(models) == len(artifacts) == 3
    for model in models:
        metadata = artifacts[model["name"]]["metadata"]
        metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
        assert metadata["digest"] == model["digest"] and metadata["parents"] == model["parents"]
        if model["task"] > 0:
            before = models[model["task"] - 1]
            assert {"name": before["name"], "digest": before["digest"], "role": "student"} in metadata[
                "parents"
            ]
            assert any(parent["role"].startswith("teacher") for parent in metadata["parents"])
    kinds = Counter(record["type"] for record in told.all("artifact"))
    assert kinds["results"] == 1


def test_the_configuration_can_be_filtered_and_grouped(told: Told) -> None:
    config: dict[str, Any] = {}
    for record in told.all("run"):
        config |= record["config"]["update"]
    text = json.dumps(config)
    results = json.loads((told.folder / "results.json").read_text())
    assert config["strategy"]["name"] == "bic" and config["stream"]["name"] == "split_digits"
    assert config["seed"] == 0 and results["data"] in text
    assert json.loads((told.folder / "environment.json").read_text())["packages"]["torch"] in text


def test_nothing_tried_the_network(told: Told) -> None:
    if told.connections is None:
        pytest.skip("there is no strace here, or it may not look at other processes")
    outside = [
        line
        for line in told.connections
        if "sa_family=AF_INET" in line and '"127.0.0.1"' not in line and '"::1"' not in line
    ]
    assert outside == []
    assert any("AF_UNIX" in line for line in told.connections), "nothing was watched"
