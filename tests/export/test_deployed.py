"""What goes with an exported network, in data and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from lifelong_kd.export import read_metadata
from lifelong_kd.export.deployed import describe, load_deployed, words
from lifelong_kd.strategy.bic import bic
from lifelong_kd.strategy.wa import wa
from lifelong_kd.testing.small import small_experiment, small_stream
from lifelong_kd.training.outside import corrected_by, view_of
from tests.export.saved_models import saved


def test_the_normalisation_is_inside(tmp_path: Path) -> None:
    view = {"pixels": True, "mean": [0.5, 0.25], "std": [0.5, 2.0], "dtype": "float32"}
    network = saved(tmp_path, {"name": "mlp", "hidden": [3]}, {"name": "linear"}, shape=(2, 2, 2), view=view)
    deployed, about = load_deployed(tmp_path / "checkpoints" / "task_1.safetensors")
    x = torch.rand(3, 2, 2, 2)
    by_hand = torch.stack([(x[:, 0] - 0.5) / 0.5, (x[:, 1] - 0.25) / 2.0], dim=1)
    torch.testing.assert_close(deployed(x), network(by_hand))
    assert not deployed.training and about["mean"] == [0.5, 0.25] and about["input_shape"] == [2, 2, 2]


def test_what_it_takes_and_gives_is_said() -> None:
    network = {
        "input_shape": [5],
        "classes": 3,
        "columns": ["a", "b", "c"],
        "tasks": [[[1], 0], [[0], 2]],
        "view": {"pixels": False, "mean": None, "std": None, "dtype": "int64"},
        "corrected_by": ["NearestMean"],
    }
    metadata = {
        "task": 1,
        "digest": "d",
        "config": {"stream": {"name": "split_text"}, "model": {"head": {"name": "multihead"}}},
        "network": network,
    }
    about = describe(metadata, 2)
    assert about["columns"] == ["a", "b"] and about["heads"] == {"0": [1], "2": [0]}
    takes, gives, heads, corrected = words(about)
    assert takes == (
        "takes x, int64 (batch, 5): samples as the stream 'split_text' gives them to its network, text and sound"
        " encoded"
    )
    assert gives == "gives logits, float32 (batch, 2), the columns being the classes a, b"
    assert "0: [1]; 2: [0]" in heads
    assert "NearestMean" in corrected and "not part of" in corrected
    # A file from before there was a view, and a benchmark that brings its own transforms.
    unknown = describe({**metadata, "network": {**network, "view": None, "corrected_by": []}}, 2)
    assert len(words(unknown)) == 3 and "not known here" in unknown["takes"] and unknown["mean"] is None


def test_many_classes_are_not_all_named() -> None:
    metadata = {"task": 0, "digest": "d", "network": {"input_shape": [1], "tasks": []}}
    assert words(describe(metadata, 100))[1].endswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 88 more")


def test_the_view_of_a_stream() -> None:
    assert view_of(small_stream()) == {"pixels": True, "mean": None, "std": None, "dtype": "float32"}
    # Of a benchmark with transforms of its own nothing is known.
    assert view_of(replace(small_stream(), transforms=None)) is None


def test_bytes_of_a_text_are_no_pixels() -> None:
    text = torch.zeros(1, 6, dtype=torch.uint8)
    pipeline = SimpleNamespace(encoder=object(), eval=lambda raw: raw.to(torch.int64))
    stream: Any = SimpleNamespace(
        transforms=pipeline, parts={"train": [SimpleNamespace(gather=lambda rows: text)]}, mean=None, std=None
    )
    assert view_of(stream) == {"pixels": False, "mean": None, "std": None, "dtype": "int64"}


def test_a_run_keeps_them_with_its_models(tmp_path: Path) -> None:
    strategy = bic(memory=24, epochs=1)
    # Not fitted yet, BiC's layers change nothing; weight alignment changes the weights, which are exported.
    assert corrected_by(strategy) == corrected_by(wa()) == []
    small_experiment(strategy, epochs=1).run(tmp_path / "run")
    about = describe(read_metadata(tmp_path / "run" / "checkpoints" / "task_2.safetensors"), 6)
    assert about["corrected_by"] == ["BiasLayers"] and about["takes"] == "pixels in [0, 1]"
