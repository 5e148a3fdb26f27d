"""Runs that have to end alike: from the written configuration, and with more evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, differing, last_state, metrics, results, weights, written

SMALL: dict[str, Any] = {
    **LWF,
    "stream": {
        "name": "split_digits",
        "experiences": 3,
        "augment": [{"name": "crop", "padding": 1}],
        "normalize": "auto",
    },
    "strategy": {"name": "derpp", "memory": 50, "memory_batch": 16},
    "training": {"epochs": 2, "batch_size": 64},
}


@pytest.fixture(scope="module")
def first(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    # Values that two dialects of YAML read differently: 1e-4, a name that looks like a number.
    nursery.finish(
        "run",
        written(folder / "c.yaml", SMALL),
        "name='1e3'",
        "optimizer.weight_decay=1e-4",
        "seed=7",
        folder=folder,
    )
    return folder / "runs" / "1e3"


def test_the_written_configuration_runs_to_the_same_numbers(
    nursery: Nursery, tmp_path: Path, first: Path
) -> None:
    nursery.finish("run", first / "config.yaml", "--out", tmp_path / "again")
    assert differing(results(tmp_path / "again"), results(first)) == []
    assert differing(weights(tmp_path / "again"), weights(first)) == []
    assert metrics(tmp_path / "again") == metrics(first)
    assert (tmp_path / "again" / "config.yaml").read_text() == (first / "config.yaml").read_text()


def test_another_seed_gives_other_numbers(nursery: Nursery, tmp_path: Path, first: Path) -> None:
    nursery.finish("run", first / "config.yaml", "seed=8", "--out", tmp_path / "other")
    assert differing(weights(tmp_path / "other"), weights(first)) != []


def test_evaluating_changes_nothing(nursery: Nursery, tmp_path: Path, first: Path) -> None:
    """Neither between the epochs nor before the first task."""
    often = tmp_path / "often"
    nursery.finish("run", first / "config.yaml", "evaluation.every=1", "--out", often)
    assert any("validation/accuracy/0" in line["values"] for line in metrics(often))
    never = tmp_path / "never"
    nursery.finish("run", first / "config.yaml", "evaluation.before_first=false", "--out", never)
    for run in (often, never):
        assert differing(weights(run), weights(first)) == []
        state, plain = last_state(run), last_state(first)
        for other in (state, plain):
            del other["ledger"], other["lines"], other["clock"]["total_iterations"]
        assert differing(state, plain) == []
        assert results(run)["accuracy_matrix"] == results(first)["accuracy_matrix"]
