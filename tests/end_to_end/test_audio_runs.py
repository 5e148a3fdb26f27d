"""Runs on recordings: a memory of them, stopped and resumed, with pictures of what went wrong."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd import build, load_config
from lifelong_kd.training.families import examples
from lifelong_kd.training.interrupt import Interrupted
from tests.end_to_end.harness import stop_in_task
from tests.stream.recordings import PATTERN, SMALL, recordings


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("librosa", "soundfile"):
        pytest.importorskip(package)
    return recordings(tmp_path_factory.mktemp("spoken"))


def settings(root: Path, **more: Any) -> dict[str, Any]:
    stream = {"name": "split_audio", "path": ".", "root": str(root), "pattern": PATTERN, "experiences": 2}
    return {
        "stream": {**stream, **SMALL, "test": {"index": [0, 1]}, "validation": 0.0, "normalize": "auto"},
        "model": {"name": "audio_cnn", "width": 8, "stages": 2},
        "strategy": {"name": "derpp", "memory": 8},
        "training": {"epochs": 8, "batch_size": 8, "threads": 1},
        "optimizer": {"name": "adam", "lr": 0.01},
        "tracking": {"console": "off", "wandb": {"mode": "disabled"}},
    } | more


@pytest.mark.parametrize("strategy", ["derpp", "icarl"])
def test_a_run_that_stopped_ends_as_one_that_did_not(spoken: Path, tmp_path: Path, strategy: str) -> None:
    def made() -> Any:
        return build(load_config(settings(spoken, strategy={"name": strategy, "memory": 8})))

    whole = made()
    results = whole.run(tmp_path / "whole")
    first = made()
    stop_in_task(first, 1)
    with pytest.raises(Interrupted):
        first.run(tmp_path / "cut")
    again = made()
    resumed = again.run(tmp_path / "cut", resume=True)
    assert resumed["accuracy_matrix"] == results["accuracy_matrix"]
    for one, two in zip(whole.engine.model.parameters(), again.engine.model.parameters(), strict=True):
        assert torch.equal(one, two)
    # Tones of four pitches are easy, and the memory has some of the first two: it learned, and did not forget.
    assert results["learning_accuracy"] > 0.9 and results["average_accuracy"] > 0.7


def test_what_went_wrong_is_drawn_as_spectrograms(
    spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[examples.Example] = []
    plot = examples.plot_examples

    def drawing(shown: list[examples.Example], path: Path, *, title: str) -> Path:
        drawn.extend(shown)
        return plot(shown, path, title=title)

    monkeypatch.setattr(examples, "plot_examples", drawing)
    experiment = build(
        load_config(settings(spoken, strategy={"name": "naive"}, evaluation={"examples": True}))
    )
    results = experiment.run(tmp_path / "run")
    found = results["per_task"][-1]["examples"]
    # Naive training forgets; nothing is corrupted, as noise on decibels would mean little.
    assert found["wrong"] and found["corrupted"] == [] and found["corrupted_share"] is None
    assert (tmp_path / "run" / "plots" / "examples" / "task_1_wrong.png").is_file()
    for example in drawn:
        assert example.image.shape[:2] == (1, SMALL["mels"])
        assert example.image.min() == 0 and example.image.max() == 1 and example.true != example.said
