from __future__ import annotations

import pytest

from lifelong_kd.core.direction import better

LESS = [
    "forgetting",
    "intransigence",
    "calibration/calibration_error_old",
    "calibration/nll_new",
    "calibration/calibration_forgetting",
    "cost/training_gflops",
    "cost/memory_bytes",
    "generalisation/memory_overfit_gap",
    "representation/deep_forgetting",
    "samples/score",
    "samples/score_old",
    "stability/stability_gap_depth",
    "stability/stability_gap_recovery",
]
MORE = [
    "average_accuracy",
    "learning_accuracy",
    "backward_transfer",
    "transfer_from_past",
    "cost/accuracy_per_second",
    "cost/samples_per_second",
    "generalisation/unseen_accuracy",
    "outliers/ood_auroc_energy",
    "robustness/corruption_accuracy_blur",
    "samples/class_entropy",
    "stability/stability_gap_rebound",
    "stability/worst_case_accuracy",
]
NEITHER = [
    "cost/samples",
    "cost/teacher_flops_share",
    "teacher/kl_train",
    "teacher/teacher_accuracy_memory",
    "own/thing",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, "less") for name in LESS),
        *((name, "more") for name in MORE),
        *((name, None) for name in NEITHER),
    ],
)
def test_direction(name: str, expected: str | None) -> None:
    assert better(name) == expected
