"""The outlier family: what it finds of given answers, where there is nothing to find, and in a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from avalanche.models import MultiHeadClassifier

from lifelong_kd.core.errors import BadCall
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.families.outliers import Outliers
from tests.training.family_looks import look_at

CLASSES = [(0, 1), (2, 3), (4, 5)]
SAID = [
    (torch.tensor([[4.0, 0.0, 0.0, 9.0, 9.0, 9.0], [1.0, 0.0, 0.0, 9.0, 9.0, 9.0]]), torch.tensor([0, 0])),
    (torch.tensor([[2.0, 0.0, 3.0, 0.0, 9.0, 9.0]]), torch.tensor([2])),
    (torch.tensor([[0.0, 0.0, 0.0, 0.0, 9.0, 9.0]]), torch.tensor([4])),
]


def test_after_the_first_task_by_hand() -> None:
    # Over the columns 0 and 1 alone: margins 4 and 1 inside, 2 and 0 outside: 3 of 4 pairs are in order.
    found = Outliers().after_task(look_at(0, SAID, CLASSES), [])
    assert found == {"softmax": 0.75, "energy": 0.75, "inliers": 2, "outliers": 2}


def test_softmax_and_energy_differ() -> None:
    # The inlier is large in both columns, so that its energy is low and its softmax undecided.
    said = [(torch.tensor([[8.0, 8.0]]), torch.tensor([0])), (torch.tensor([[3.0, 0.0]]), torch.tensor([2]))]
    found = Outliers().after_task(look_at(0, said, CLASSES[:2]), [])
    assert (found["softmax"], found["energy"]) == (0.0, 1.0)


def test_with_a_task_label_all_columns_seen_compete() -> None:
    assert Outliers().after_task(look_at(0, SAID, CLASSES, scenario="task"), []) == Outliers().after_task(
        look_at(0, SAID, CLASSES), []
    )


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (0, {"scenario": "domain"}),
        (0, {"scenario": "task", "model": MultiHeadClassifier(3, 2)}),
    ],
)
def test_where_nothing_can_be_told(task: int, options: dict[str, object]) -> None:
    found = Outliers().after_task(look_at(task, SAID, CLASSES, **options), [])  # type: ignore[arg-type]
    assert found == {"softmax": None, "energy": None, "inliers": 0, "outliers": 0}


def test_after_the_last_task_there_are_no_outliers() -> None:
    found = Outliers().after_task(look_at(2, SAID, CLASSES), [])
    assert found == {"softmax": None, "energy": None, "inliers": 4, "outliers": 0}


def test_a_class_that_comes_again_is_no_outlier() -> None:
    said = [*SAID[:2], (SAID[2][0].repeat(3, 1), torch.tensor([4, 0, 4]))]
    found = Outliers().after_task(look_at(1, said, [(0, 1), (2, 3), (0, 4)]), [])
    assert found["inliers"] == 3 and found["outliers"] == 2


def test_samples_are_limited() -> None:
    found = Outliers(samples=1).after_task(look_at(0, SAID, CLASSES), [])
    assert found["inliers"] == 1 and found["outliers"] == 2
    with pytest.raises(BadCall, match="samples must be at least 1, found 0"):
        Outliers(samples=0)


def test_summary_leaves_out_the_tasks_without_a_value() -> None:
    found = [
        {"softmax": 0.5, "energy": 0.75},
        {"softmax": 0.75, "energy": 1.0},
        {"softmax": None, "energy": None},
    ]
    assert Outliers().summary(found) == {"ood_auroc_softmax": 0.625, "ood_auroc_energy": 0.875}
    assert Outliers().summary(found[2:]) == {"ood_auroc_softmax": None, "ood_auroc_energy": None}
    assert Outliers().summary([]) == {"ood_auroc_softmax": None, "ood_auroc_energy": None}


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_in_a_run(scenario: str, tmp_path: Path) -> None:
    families = {"outliers": Outliers()}
    small_experiment(naive(), scenario=scenario, families=families).run(tmp_path)  # type: ignore[arg-type]
    results = json.loads((tmp_path / "results.json").read_text())
    values = [entry["outliers"]["energy"] for entry in results["per_task"]]
    if scenario == "domain":
        assert values == [None, None, None]
    else:
        assert values[2] is None and all(0 <= value <= 1 for value in values[:2])
        assert results["outliers"]["ood_auroc_energy"] == pytest.approx(sum(values[:2]) / 2)
