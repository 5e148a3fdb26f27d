"""Calibration: the library's number, the bins, and what is lost from task to task."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.calibration import (
    ReliabilityBins,
    calibration_error,
    calibration_forgetting,
    calibration_sums,
    expected_calibration_error,
    reliability_bins,
)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_it_agrees_with_the_library(seed: int, bins: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = (3 * torch.randn(400, 7, generator=generator)).softmax(1)
    targets = torch.randint(7, (400,), generator=generator)
    theirs = MulticlassCalibrationError(num_classes=7, n_bins=bins, norm="l1")(probabilities, targets)
    assert expected_calibration_error(probabilities, targets, bins) == pytest.approx(float(theirs), abs=1e-6)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_and_nowhere_else() -> None:
    # Edges of 4 bins are exact in binary: 0.5 is in (0.25, 0.5], 0.75 in (0.5, 0.75], 1 in the last.
    probabilities = torch.tensor([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    sums = calibration_sums(probabilities, torch.tensor([1, 0, 0]), bins=4)
    assert sums[0].tolist() == [0, 1, 1, 1]
    # 0.5 wrong and 0.6 right: apart they cost (0.5 + 0.4) / 2, in one bin they would |1 - 1.1| / 2.
    shared, targets = torch.tensor([[0.5, 0.5], [0.6, 0.4]]), torch.tensor([1, 0])
    assert expected_calibration_error(shared, targets, 4) == pytest.approx(0.45)
    # The library closes bins on the left, where the paper's are open.
    library = MulticlassCalibrationError(num_classes=2, n_bins=4, norm="l1")
    assert float(library(shared, targets)) == pytest.approx(0.05)


def test_certainty_shares_the_last_bin() -> None:
    # 0.9 right and 1 wrong: |1 - 1.9| / 2 in one bin. The library has a bin for 1 alone: (0.1 + 1) / 2.
    sure, targets = torch.tensor([[0.9, 0.1], [1.0, 0.0]]), torch.tensor([0, 1])
    assert expected_calibration_error(sure, targets, 4) == pytest.approx(0.45)
    library = MulticlassCalibrationError(num_classes=2, n_bins=4, norm="l1")
    assert float(library(sure, targets)) == pytest.approx(0.55)


def test_reliability_bins_by_hand() -> None:
    probabilities = torch.tensor([[0.75, 0.25], [0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    bins = reliability_bins(calibration_sums(probabilities, torch.tensor([0, 0, 0, 1]), bins=4))
    assert bins == ReliabilityBins(
        samples=(0, 1, 2, 1), accuracy=(None, 0.0, 0.5, 1.0), confidence=(None, 0.5, 0.75, 1.0)
    )


def test_reliability_bins_hold_the_calibration_error() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (2 * torch.randn(300, 5, generator=generator)).softmax(1)
    sums = calibration_sums(probabilities, torch.randint(5, (300,), generator=generator))
    bins = reliability_bins(sums)
    gaps = [
        n * abs(a - c)
        for n, a, c in zip(bins.samples, bins.accuracy, bins.confidence, strict=True)
        if a is not None and c is not None
    ]
    assert sum(bins.samples) == 300 and len(gaps) > 8
    assert sum(gaps) / 300 == pytest.approx(calibration_error(sums))


def test_bins_without_a_sample() -> None:
    bins = reliability_bins(torch.zeros(3, 2))
    assert bins == ReliabilityBins((0, 0), (None, None), (None, None))


def test_calibration_forgetting_by_hand() -> None:
    E = [[0.1], [0.3, 0.2], [0.5, 0.1, 0.4]]
    assert calibration_forgetting(E) == pytest.approx(((0.5 - 0.1) + (0.1 - 0.2)) / 2)
    # Columns of tasks to come count for nothing.
    assert calibration_forgetting([[0.1, 9.0], [0.3, 0.2]]) == pytest.approx(0.2)


def test_calibration_forgetting_without_something_to_forget() -> None:
    assert calibration_forgetting([]) is None
    assert calibration_forgetting([[0.1]]) is None
    assert calibration_forgetting([[None], [0.3, 0.2]]) is None
    # Task 0 had no error when it was learned, so that task 1 alone counts.
    assert calibration_forgetting([[None], [0.3, 0.2], [0.5, 0.3, 0.4]]) == pytest.approx(0.1)
    with pytest.raises(BadCall, match="after task 1 are 1, but 2 tasks were seen"):
        calibration_forgetting([[0.1], [0.3]])
