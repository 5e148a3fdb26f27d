"""From logits to numbers: one experience read class-incrementally and task-incrementally."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import Diverged
from lifelong_kd.core.types import Scenario
from lifelong_kd.evaluation.calibration import expected_calibration_error
from lifelong_kd.training.reading import only, own, predicted, scored
from lifelong_kd.training.recorder import Outputs

__all__ = ["DIVERGED", "Measured", "answered", "measure"]

DIVERGED = (
    "Lower optimizer.lr, set training.grad_clip, or look at the weight of the terms. The folder is kept as it was at"
    " the last checkpoint."
)


@dataclass(frozen=True)
class Measured:
    """One experience under one model.

    ``accuracy`` is that of the stream's own scenario; ``any_class`` lets every column compete, ``own_task``
    only those of the experience's task. ``loss`` is the mean cross-entropy over the samples whose class the
    model knows, ``None`` if it knows none. ``predicted`` and ``targets`` are of the stream's own scenario.
    """

    samples: int
    accuracy: float
    any_class: float
    own_task: float
    loss: float | None
    calibration_error: float | None
    predicted: Tensor
    targets: Tensor


def measure(outputs: Outputs, classes: Sequence[int], scenario: Scenario, bins: int) -> Measured:
    """Read one experience's logits.

    Args:
        outputs: what the model said.
        classes: columns of the experience's task.
        scenario: which reading is the stream's own.
        bins: bins of the calibration error.
    """
    logits, targets = outputs.logits.float(), outputs.targets
    any_class, own_task = predicted(logits), predicted(only(logits, classes))
    chosen = own_task if scenario == "task" else any_class
    competing = own(logits, classes, scenario)
    known = scored(competing, targets)
    usable = competing[known]
    return Measured(
        samples=len(targets),
        accuracy=_share(chosen == targets),
        any_class=_share(any_class == targets),
        own_task=_share(own_task == targets),
        loss=float(F.cross_entropy(usable, targets[known])) if len(usable) else None,
        calibration_error=(
            expected_calibration_error(usable.softmax(dim=1), targets[known], bins) if len(usable) else None
        ),
        predicted=chosen.cpu(),
        targets=targets.cpu(),
    )


def answered(outputs: Outputs, classes: Sequence[int], scenario: Scenario, bins: int) -> Measured:
    """:func:`measure`, of a student that has to give answers.

    Raises:
        Diverged: if its numbers are no longer finite.
    """
    # -inf is a class that a classifier does not offer.
    logits = outputs.logits
    if not bool((logits.isnan() | logits.isposinf()).any()):
        measured = measure(outputs, classes, scenario, bins)
        if measured.loss is None or math.isfinite(measured.loss):
            return measured
    raise Diverged(f"the model's outputs are no longer finite numbers. {DIVERGED}")


def _share(right: Tensor) -> float:
    return float(right.double().mean()) if len(right) else 0.0
