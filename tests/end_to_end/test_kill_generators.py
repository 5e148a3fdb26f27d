"""A run that is killed while its generator learns, in the loop or against the solver, ends as one that never was."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, assert_same_run, metrics, results, written

VAE = {"name": "vae", "hidden": [24], "latent": 6}
DGR = {
    **LWF,
    "stream": {"name": "split_digits", "experiences": 2},
    "strategy": {"name": "dgr", "generator": VAE},
    "training": {**LWF["training"], "batch_size": 128},
}
# Two rounds and more, each of which goes on where the last one ended.
SCHOLAR = {**DGR, "rounds": {"name": "scholar", "budget": 3, "epochs": 2, "min_delta": 0.0}}
INVERTED = {
    **DGR,
    "model": {"name": "mlp", "hidden": [24], "batch_norm": True, "head": "linear"},
    "strategy": {
        "name": "compose",
        "terms": {
            "replay": {"teacher": "snapshot", "knowledge": "kd", "source": "generated", "over": "padded"}
        },
        "generator": {"name": "deep_inversion", "samples": 32, "iterations": 20, "batch": 16},
    },
}
ADVERSARIAL = {
    **INVERTED,
    "strategy": {
        **INVERTED["strategy"],
        "generator": {"name": "abd", "iterations": 20, "batch": 16, "latent": 8, "width": 8},
    },
}


def pointer_of(run: Path) -> tuple[int, int]:
    """The task and the epochs of it that the last checkpoint was made after."""
    pointer = json.loads((run / "checkpoints" / "latest.json").read_text(encoding="utf-8"))
    return int(pointer["task"]), int(pointer["epoch"])


def test_killed_inside_the_second_task(nursery: Nursery, tmp_path: Path) -> None:
    """Once after an epoch of it, once after two: the VAE, its optimiser and its frozen copy go on bit for bit."""
    config = written(tmp_path / "config.yaml", DGR)
    run, whole = tmp_path / "killed", tmp_path / "whole"
    nursery.finish("run", config, "--out", whole)
    each = [line["iteration"] for line in metrics(whole) if line["axis"] == "task"]
    epoch = (each[1] - each[0]) // 3
    for words, past in ((("run", config, "--out", run), 1), (("resume", run), 2)):
        ended = nursery.call(*words, moment=[each[0] + past * epoch + 1, None, ""])
        assert ended.status == -signal.SIGKILL, ended.said
        assert pointer_of(run) == (1, past)
    nursery.finish("resume", run)
    assert_same_run(run, whole)
    assert set(results(whole)["samples"]) >= {"class_entropy", "score"}


def test_killed_inside_a_round_that_goes_on(nursery: Nursery, tmp_path: Path) -> None:
    config = written(tmp_path / "config.yaml", SCHOLAR)
    run, whole = tmp_path / "killed", tmp_path / "whole"
    nursery.finish("run", config, "--out", whole)
    judged = [
        line["iteration"] for line in metrics(whole) if "round/index" in line["values"] and line["task"] == 1
    ]
    assert len(judged) > 1
    at = (judged[0] + judged[1]) // 2 + 1
    assert nursery.call("run", config, "--out", run, moment=[at, None, ""]).status == -signal.SIGKILL
    assert pointer_of(run)[0] == 1
    nursery.finish("resume", run)
    assert_same_run(run, whole)


@pytest.mark.parametrize(
    ("settings", "place", "steps"),
    [
        (INVERTED, "lifelong_kd.generator.inversion:DeepInversion.loss", 40),
        (ADVERSARIAL, "lifelong_kd.generator.adversarial:Abd.loss", 20),
    ],
    ids=["deep_inversion", "abd"],
)
def test_killed_while_samples_are_made_from_the_solver(
    nursery: Nursery, tmp_path: Path, settings: dict[str, Any], place: str, steps: int
) -> None:
    """After three quarters of the steps that the second task begins with: they are made again, and the same."""
    config = written(tmp_path / "config.yaml", settings, training={"epochs": 1})
    run, whole = tmp_path / "killed", tmp_path / "whole"
    nursery.finish("run", config, "--out", whole)
    ended = nursery.call("run", config, "--out", run, call=[place, 3 * steps // 4])
    assert ended.status == -signal.SIGKILL, ended.said
    assert pointer_of(run) == (1, 0)
    nursery.finish("resume", run)
    assert_same_run(run, whole)
