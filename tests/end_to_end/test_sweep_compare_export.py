"""A grid of runs in processes of their own, a table over their seeds, and a model to take away."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from harness import LWF, Nursery, differing, listing, results, weights, written
from safetensors.torch import load_file

from lifelong_kd.study.claim import in_use
from lifelong_kd.study.definition import need_study


@pytest.fixture(scope="module")
def study(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    written(folder / "lwf.yaml", LWF, training={"epochs": 1}, stream={"experiences": 2})
    words = ["sweep", "lwf.yaml", "seed=0,1", "training.threads=1", "--jobs", "2", "--out", "study"]
    said = nursery.finish(*words, folder=folder).said
    assert said.startswith("study: 2 runs, 0 of them finished already\n")
    assert "seed-0: finished" in said and "seed-1: finished" in said
    before = listing(folder)
    said = nursery.finish(*words, folder=folder).said
    assert said.startswith("study: 2 runs, 2 of them finished already\n")
    assert listing(folder) == before
    # The study's folder says what it is.
    assert nursery.finish("sweep", "study", folder=folder).said.partition("\n")[2] == said.partition("\n")[2]
    assert {path: seen for path, seen in listing(folder).items() if path != "study"} == {
        path: seen for path, seen in before.items() if path != "study"
    }
    return folder / "study"


def test_a_cell_is_the_run_it_would_be_alone(nursery: Nursery, tmp_path: Path, study: Path) -> None:
    config = study.parent / "lwf.yaml"
    nursery.finish("run", config, "seed=1", "training.threads=1", "--out", tmp_path / "alone")
    assert differing(results(tmp_path / "alone"), results(study / "seed-1")) == []
    assert differing(weights(tmp_path / "alone"), weights(study / "seed-1")) == []
    assert differing(weights(study / "seed-0"), weights(study / "seed-1")) != []


def test_a_failed_cell_stops_no_other_and_is_named(nursery: Nursery, study: Path) -> None:
    """Both cells are there already; a folder that another run has is refused before anything starts."""
    words = ["sweep", "lwf.yaml", "seed=0,1", "training.threads=1", "optimizer.lr=0.5", "--out", "study"]
    ended = nursery.call(*words, folder=study.parent)
    assert ended.status == 2
    assert "study/seed-0 holds a run with other settings (optimizer.lr: 0.05 there, 0.5 here)" in ended.said


def test_no_cell_outlives_a_sweep_that_is_killed(nursery: Nursery, tmp_path: Path) -> None:
    written(tmp_path / "lwf.yaml", LWF)
    pid = nursery.start("sweep", "lwf.yaml", "seed=0,1", "--jobs", "2", "--out", "study", folder=tmp_path)
    cells = [tmp_path / "study" / f"seed-{seed}" for seed in (0, 1)]
    until = time.monotonic() + 60
    while not all(in_use(cell) for cell in cells):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait(pid).status == -signal.SIGKILL
    while any(in_use(cell) for cell in cells):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert [cell.name for cell in need_study(tmp_path / "study").cells] == ["seed-0", "seed-1"]


def test_compare_over_the_seeds(nursery: Nursery, tmp_path: Path, study: Path) -> None:
    said = nursery.finish("compare", study, "--out", tmp_path / "table").said
    assert "lwf" in said and "split_digits" in said
    (row,) = json.loads((tmp_path / "table" / "compare.json").read_text())["rows"]
    assert row["seeds"] == [0, 1]
    accuracies = [results(study / name)["average_accuracy"] for name in ("seed-0", "seed-1")]
    assert row["scores"]["average_accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    assert (tmp_path / "table" / "compare.md").read_text().count("|") > 8


def test_export_writes_what_the_run_ended_with(nursery: Nursery, tmp_path: Path, study: Path) -> None:
    file = tmp_path / "model.safetensors"
    said = nursery.finish("export", study / "seed-0", "--task", 1, "--out", file).said
    assert said.startswith(f"written: {file}\n")
    exported, kept = load_file(file), weights(study / "seed-0")["task_1.safetensors"]
    assert list(exported) == list(kept)
    assert all(torch.equal(exported[name], kept[name]) for name in kept)
