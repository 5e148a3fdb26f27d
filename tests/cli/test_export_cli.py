"""What ``lifelong-kd export`` prints of the weights and of a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lifelong_kd.cli import main
from lifelong_kd.export import explained
from tests.export.saved_models import saved

VIEW = {"pixels": True, "mean": [0.5], "std": [0.25], "dtype": "float32"}


def lines(*words: object) -> list[str]:
    result = CliRunner().invoke(main, ["export", *map(str, words)])
    assert result.exit_code == 0, result.stderr
    return result.output.splitlines()


def test_of_weights_it_says_that_they_take_normalised_samples(tmp_path: Path) -> None:
    model, head = {"name": "mlp", "hidden": [3]}, {"name": "linear"}
    saved(tmp_path / "run", model, head, view=VIEW, corrected_by=["NearestMean"])
    written, takes, corrected, _, load, *_ = lines(tmp_path / "run", "--out", tmp_path / "m.safetensors")
    assert written == f"written: {tmp_path / 'm.safetensors'}" and load == "load it with"
    assert takes.startswith("takes x, float32 (batch, 1, 8, 8): pixels in [0, 1]; then normalised")
    assert "(x - mean) / std with mean [0.5] and std [0.25]" in takes and "--format program" in takes
    assert corrected.startswith("the run predicted after NearestMean")


def test_of_a_tree_it_says_what_the_run_did_after_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(run: Path, task: int, path: Path) -> Any:
        return "4 leaves\n\n|--- class: ant"

    monkeypatch.setattr(explained, "export_tree", fitted)
    model, head = {"name": "mlp", "hidden": [3]}, {"name": "linear"}
    saved(tmp_path / "one", model, head, corrected_by=["NearestMean"])
    saved(tmp_path / "two", model, head)
    _, first, corrected = lines(tmp_path / "one", "--format", "tree")
    assert first == "4 leaves" and corrected.startswith("the run predicted after NearestMean")
    assert len(lines(tmp_path / "two", "--format", "tree")) == 2
