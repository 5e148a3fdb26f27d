"""One real run, small, and what can be done with its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

import lifelong_kd
from lifelong_kd.cli import main
from lifelong_kd.export import export_model, how_to_load

CONFIG = """
stream: {name: split_digits, experiences: 2, validation: 0}
model: {name: mlp, hidden: [8], head: {name: linear, grow: true}}
strategy: {name: lwf, weight: {name: old_all}}
training: {epochs: 1, batch_size: 256}
tracking: {wandb: {mode: disabled}, console: plain}
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    path = folder / "lwf.yaml"
    path.write_text(CONFIG)
    result = call("run", path, "seed=3", "--out", folder / "first")
    assert result.exit_code == 0, result.output
    return folder


def matrix(run: Path) -> list[list[float]]:
    rows: list[list[float]] = json.loads((run / "results.json").read_text())["accuracy_matrix"]
    return rows


def test_the_written_configuration_gives_the_same_numbers(finished: Path) -> None:
    written = finished / "first" / "config.yaml"
    assert (
        lifelong_kd.load_config(written).settings
        == lifelong_kd.load_config(finished / "lwf.yaml", ["seed=3"]).settings
    )
    result = call("run", written, "--out", finished / "second")
    assert result.exit_code == 0, result.output
    assert matrix(finished / "second") == matrix(finished / "first")


def test_a_finished_run_is_left_alone(finished: Path) -> None:
    run = finished / "first"
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    for arguments in (("run", finished / "lwf.yaml", "seed=3", "--out", run), ("resume", run)):
        result = call(*arguments)
        assert result.exit_code == 2 and "finished" in result.stderr
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before


def test_the_exported_model_loads_as_the_message_says(finished: Path) -> None:
    exported = finished / "model.safetensors"
    metadata = export_model(finished / "first", 0, exported)
    assert metadata["task"] == 0
    assert f"lifelong_kd.load_network({str(exported)!r})" in how_to_load(exported)
    network = lifelong_kd.load_network(exported)
    weights = load_file(exported)
    assert not network.training and set(weights) == set(network.state_dict())
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_compare_reads_it(finished: Path) -> None:
    result = call("compare", finished / "first", "--out", finished / "table")
    assert result.exit_code == 0
    (row,) = json.loads((finished / "table" / "compare.json").read_text())["rows"]
    assert (row["strategy"], row["stream"], row["scenario"], row["seeds"]) == (
        "lwf",
        "split_digits",
        "class",
        [3],
    )
    last = matrix(finished / "first")[-1]
    assert row["scores"]["average_accuracy"]["mean"] == pytest.approx(sum(last) / 2)


def test_validate_builds_without_writing(finished: Path) -> None:
    before = sorted(finished.rglob("*"))
    result = call("validate", finished / "lwf.yaml", "--data")
    assert result.exit_code == 0 and "is valid: split_digits-class-lwf-s0" in result.output
    shown = call("validate", finished / "lwf.yaml", "--resolved")
    assert shown.output == lifelong_kd.load_config(finished / "lwf.yaml").dump()
    result = call("validate", finished / "lwf.yaml", "strategy.weight.scale=-1")
    assert result.exit_code == 2 and "scale must be at least 0" in result.stderr
    assert sorted(finished.rglob("*")) == before


def test_an_optimizer_that_refuses_is_found_before_training(finished: Path) -> None:
    result = call("run", finished / "lwf.yaml", "optimizer.momentum=-1", "--out", finished / "none")
    assert result.exit_code == 2 and "optimizer 'sgd' could not be built" in result.stderr
    assert not (finished / "none").exists()
