"""From logits to numbers: one experience read class-incrementally and task-incrementally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.types import Scenario
from lifelong_kd.evaluation.calibration import expected_calibration_error
from lifelong_kd.training.recorder import Outputs

__all__ = ["Measured", "measure"]


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
    if not logits.shape[1]:
        # A head that grows has no column before its first task: nothing is predicted.
        nothing = torch.full_like(targets, -1).cpu()
        return Measured(len(targets), 0.0, 0.0, 0.0, None, None, nothing, targets.cpu())
    known = [column for column in classes if column < logits.shape[1]]
    masked = torch.full_like(logits, -torch.inf)
    masked[:, known] = logits[:, known]
    any_class = logits.argmax(dim=1)
    # With no column of the task known yet nothing can be right.
    own_task = masked.argmax(dim=1) if known else torch.full_like(targets, -1)
    own, predicted = (masked, own_task) if scenario == "task" else (logits, any_class)
    # A class without a column, or without a score of its own, has no probability to be scored by.
    score = own.gather(1, targets.clamp(max=own.shape[1] - 1).unsqueeze(1)).squeeze(1)
    scored = (targets < own.shape[1]) & score.isfinite()
    usable = own[scored]
    return Measured(
        samples=len(targets),
        accuracy=_share(predicted == targets),
        any_class=_share(any_class == targets),
        own_task=_share(own_task == targets),
        loss=float(F.cross_entropy(usable, targets[scored])) if len(usable) else None,
        calibration_error=(
            expected_calibration_error(usable.softmax(dim=1), targets[scored], bins) if len(usable) else None
        ),
        predicted=predicted.cpu(),
        targets=targets.cpu(),
    )


def _share(right: Tensor) -> float:
    return float(right.double().mean()) if len(right) else 0.0
