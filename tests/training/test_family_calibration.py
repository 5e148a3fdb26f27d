"""The calibration family: what it finds of given answers, and in a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.families.calibration import Calibration
from tests.training.family_looks import look_at, odds

CLASSES = [(0, 1), (2, 3)]
# Task 0: confidence 0.6 right and 0.8 wrong. Task 1: 0.7 right.
SAID = [
    (odds([0.6, 0.2, 0.1, 0.1], [0.05, 0.8, 0.1, 0.05]), torch.tensor([0, 0])),
    (odds([0.1, 0.1, 0.7, 0.1]), torch.tensor([2])),
]


def test_what_is_found_by_hand() -> None:
    found = Calibration(bins=10).after_task(look_at(1, SAID, CLASSES), [])
    assert found["error"] == [pytest.approx((0.4 + 0.8) / 2), pytest.approx(0.3)]
    nll = [-(math.log(0.6) + math.log(0.05)) / 2, -math.log(0.7)]
    assert found["nll"] == [pytest.approx(value, rel=1e-5) for value in nll]
    first, second, third = (
        0.16 + 0.04 + 0.01 + 0.01,
        0.95**2 + 0.64 + 0.01 + 0.0025,
        0.09 + 0.01 + 0.01 + 0.01,
    )
    assert found["brier"] == [pytest.approx((first + second) / 2), pytest.approx(third)]
    assert found["all"] == {
        "samples": 3,
        "error": pytest.approx((0.4 + 0.8 + 0.3) / 3),
        "nll": pytest.approx((2 * nll[0] + nll[1]) / 3, rel=1e-5),
        "brier": pytest.approx((first + second + third) / 3),
    }
    assert found["old"]["error"] == found["error"][0] and found["new"]["nll"] == found["nll"][1]
    assert sum(found["bins"]["samples"]) == 3 and len(found["bins"]["samples"]) == 10


def test_after_the_first_task_nothing_is_old() -> None:
    found = Calibration().after_task(look_at(0, SAID, CLASSES), [])
    assert found["old"] == {"samples": 0, "error": None, "nll": None, "brier": None}
    assert found["all"] == found["new"] and len(found["error"]) == 1
    scores = Calibration().summary([found])
    assert scores["calibration_error_old"] is None and scores["calibration_forgetting"] is None


def test_with_a_task_label_only_its_columns_compete() -> None:
    found = Calibration(bins=10).after_task(look_at(1, SAID, CLASSES, scenario="task"), [])
    # Task 1: 0.7 against 0.1, that is 0.875.
    assert found["error"][1] == pytest.approx(0.125, abs=1e-6)
    assert found["nll"][1] == pytest.approx(-math.log(0.875), rel=1e-5)
    # Task 0: 0.75 right, 16/17 wrong; all three lie in the same softmax of their own.
    assert found["error"][0] == pytest.approx((0.25 + 16 / 17) / 2, abs=1e-6)
    assert found["all"]["nll"] == pytest.approx(
        -(math.log(0.75) + math.log(1 / 17) + math.log(0.875)) / 3, rel=1e-5
    )


def test_samples_without_a_score_and_answers_of_other_widths() -> None:
    inf = torch.inf
    said = [
        (odds([0.6, 0.4]), torch.tensor([0])),
        (torch.tensor([[0.0, 0.0, -inf, 0.0], [-inf, -inf, 0.0, 0.0]]), torch.tensor([2, 2])),
    ]
    found = Calibration().after_task(look_at(1, said, CLASSES), [])
    assert found["all"]["samples"] == 2 and found["new"]["samples"] == 1
    assert found["nll"][1] == pytest.approx(math.log(2))
    nothing = [(torch.zeros(2, 0), torch.tensor([0, 1]))]
    found = Calibration().after_task(look_at(0, nothing, CLASSES), [])
    assert found["error"] == [None] and found["all"]["samples"] == 0
    assert set(Calibration().summary([found]).values()) == {None}
    assert Calibration().draw(Path("nowhere"), [found]) == []


def test_forgetting_in_the_summary() -> None:
    family = Calibration(bins=10)
    first = family.after_task(look_at(0, [(odds([0.9, 0.1]), torch.tensor([0]))], CLASSES), [])
    second = family.after_task(look_at(1, SAID, CLASSES), [first])
    scores = family.summary([first, second])
    assert scores["calibration_forgetting"] == pytest.approx(0.6 - 0.1, abs=1e-6)
    assert scores["calibration_error"] == pytest.approx(0.5)
    assert scores["average_calibration_error"] == pytest.approx((0.6 + 0.3) / 2)
    assert scores["brier_new"] == second["brier"][1] and scores["nll_old"] == second["nll"][0]
    assert family.summary([]) == {} and family.draw(Path("nowhere"), []) == []


def test_bins_are_checked() -> None:
    with pytest.raises(BadCall, match="bins must be at least 1, found 0"):
        Calibration(bins=0)


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_in_a_run(scenario: str, tmp_path: Path) -> None:
    families = {"calibration": Calibration()}
    experiment = small_experiment(lwf(), scenario=scenario, families=families)  # type: ignore[arg-type]
    experiment.run(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    entries = results["per_task"]
    assert [len(entry["calibration"]["error"]) for entry in entries] == [1, 2, 3]
    for number, entry in enumerate(entries):
        # The evaluation's own numbers of the task just learned.
        assert entry["calibration"]["error"][number] == pytest.approx(entry["calibration_error"], abs=1e-9)
        assert entry["calibration"]["nll"][number] == pytest.approx(entry["test_loss"], rel=1e-5)
    assert results["calibration"]["calibration_error"] == entries[-1]["calibration"]["all"]["error"]
    assert (tmp_path / "plots" / "reliability.png").is_file()
