"""What W&B is given: few keys, each known, on its axis and with the right side of it called the best."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.comparison.scores import score_of
from lifelong_kd.tracking.base import RunInfo
from lifelong_kd.tracking.wandb.best import Best
from lifelong_kd.tracking.wandb.keys import KEYS, best_of, definition, find, is_detail
from lifelong_kd.tracking.wandb.tracker import WandbTracker

MakeRun = Callable[..., RunInfo]
Records = Callable[[Path], list[dict[str, Any]]]


@pytest.mark.parametrize(
    "name",
    [
        "score/forgetting",
        "score/intransigence",
        "score/calibration/calibration_error_old",
        "score/calibration/nll_new",
        "score/calibration/brier",
        "score/calibration/calibration_forgetting",
        "score/cost/training_gflops",
        "score/generalisation/memory_overfit_gap",
        "score/representation/deep_forgetting",
        "score/stability/stability_gap_depth",
    ],
)
def test_less_is_better(name: str) -> None:
    assert score_of(name.removeprefix("score/")).better == "less"
    assert best_of(name) == "min"
    assert definition(name, "task") == {"step_metric": "task", "summary": "last,min"}


@pytest.mark.parametrize(
    "name",
    [
        "score/average_accuracy",
        "score/learning_accuracy",
        "score/backward_transfer",
        "score/forward_transfer",
        "score/cost/accuracy_per_second",
        "score/cost/accuracy_per_gflop",
        "score/cost/accuracy_per_stored_megabyte",
        "score/generalisation/unseen_accuracy",
        "score/outliers/ood_auroc_energy",
        "score/stability/worst_case_accuracy",
        "score/stability/stability_gap_rebound",
        "score/robustness/corruption_accuracy_blur",
        "task/accuracy/0",
    ],
)
def test_more_is_better(name: str) -> None:
    assert best_of(name) == "max"
    assert definition(name, "task") == {"step_metric": "task", "summary": "last,max"}


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("train/loss", "train/loss"),
        ("train/loss/kd_weighted", "train/loss/<term>"),
        ("validation/accuracy/2", "validation/accuracy/<task>"),
        ("round/validation/old", "round/<...>"),
        ("score/average_accuracy", "score/<name>"),
        ("score/calibration/nll", "score/<family>/<name>"),
        ("task/accuracy/12", "task/accuracy/<task>"),
        ("task/accuracy_matrix", "task/accuracy_matrix"),
        ("task/seconds", "task/<name>"),
        ("task/teacher/teachers/kd/held_out/kl", "task/<family>/<...>"),
        ("plots/forgetting", "plots/<name>"),
        ("mine", None),
        ("train/loss/a/b", None),
    ],
)
def test_which_keys_are_known(key: str, pattern: str | None) -> None:
    known = find(key)
    assert (known.pattern if known is not None else None) == pattern


def test_only_scores_and_accuracies_have_a_best_and_only_the_families_have_details() -> None:
    assert [key.pattern for key in KEYS if key.best] == [
        "score/<name>",
        "score/<family>/<name>",
        "task/accuracy/<task>",
    ]
    assert [key.pattern for key in KEYS if key.detail] == ["task/<family>/<...>"]
    assert definition("train/loss", "iteration") == {"step_metric": "iteration"}
    assert definition("mine", "epoch") == {"step_metric": "epoch"}
    assert not is_detail("mine/a/b")


def test_the_best_leaves_out_what_is_no_number() -> None:
    best = Best()
    best.see(
        {
            "score/accuracy": 0.5,
            "score/b": None,
            "score/c": float("nan"),
            "score/calibration/nll": 2.0,
            "task/classes": "0, 1",
        }
    )
    best.see({"score/accuracy": 0.25, "score/calibration/nll": 1.0})
    best.see({"score/calibration/nll": float("nan")})
    assert best.summary() == {
        "score/accuracy": {"last": 0.25, "max": 0.5},
        "score/calibration/nll": {"last": 1.0, "min": 1.0},
    }


@pytest.mark.parametrize("details", [False, True])
def test_details_are_logged_only_if_asked_for(
    details: bool, tmp_path: Path, run_info: MakeRun, records: Records
) -> None:
    tracker = WandbTracker(mode="offline", details=details)
    tracker.start(run_info(tmp_path))
    values = {"task/seconds": 2.0, "task/accuracy/0": 0.5, "task/teacher/kd/kl": 0.1}
    tracker.log(values, "task", {"task": 0})
    tracker.log({"task/teacher/kd/kl": 0.2}, "task", {"task": 1})
    tracker.finish("finished")
    assert tracker.path is not None
    rows = [record["history"]["item"] for record in records(tracker.path) if record["type"] == "history"]
    assert [("task/teacher/kd/kl" in row, row["line"]) for row in rows] == [(details, 1), (details, 2)]
    assert (rows[0]["task/seconds"], rows[0]["task/accuracy/0"]) == (2.0, 0.5)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The lines of a run with rounds and validation."""
    from lifelong_kd.config.build import build
    from lifelong_kd.config.load import load_config

    given = [
        "training.epochs=1",
        "stream.experiences=2",
        "stream.validation=0.1",
        "training.threads=1",
        "training.batch_size=128",
        "evaluation.every=1",
        "rounds.name=balance",
        "tracking.console=off",
        "tracking.log_every=5",
        "tracking.wandb.mode=disabled",
        "evaluation.stability=true",
    ]
    folder = tmp_path_factory.mktemp("run") / "run"
    root = Path(__file__).parents[2]
    build(load_config(root / "configs" / "split_digits" / "lwf.yaml", given)).run(folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_every_key_of_a_run_is_known_and_on_its_axis(logged: list[dict[str, Any]]) -> None:
    seen = set()
    for line in logged:
        for key in line["values"]:
            known = find(key)
            assert known is not None, key
            assert known.axis == line["axis"], key
            seen.add(known.pattern)
    assert {"train/loss", "train/loss/<term>", "validation/accuracy/<task>", "round/<...>"} <= seen
    assert {"score/<name>", "score/<family>/<name>", "task/<name>", "task/<family>/<...>"} <= seen


def test_the_best_is_what_a_comparison_calls_better(logged: list[dict[str, Any]]) -> None:
    scores = {key for line in logged for key in line["values"] if key.startswith("score/")}
    sides = {key: score_of(key.removeprefix("score/")).better for key in scores}
    assert len([side for side in sides.values() if side is not None]) > 10
    for key, better in sides.items():
        assert best_of(key) == {"less": "min", "more": "max", None: None}[better], key


def test_few_keys_are_left(logged: list[dict[str, Any]]) -> None:
    keys = {key for line in logged for key in line["values"]}
    kept = {key for key in keys if not is_detail(key)}
    assert keys - kept == {
        key for key in keys if key.count("/") >= 2 and key.startswith("task/") and "accuracy/" not in key[:14]
    }
    assert len(kept) < len(keys)
