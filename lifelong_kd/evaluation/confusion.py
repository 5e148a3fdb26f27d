"""The confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["confusion_matrix"]


def confusion_matrix(predicted: Tensor, targets: Tensor, classes: int) -> Tensor:
    """How often each true class (row) was taken for each class (column): (classes, classes), int64, on the device.

    Args:
        predicted: (N), predicted classes.
        targets: (N), true classes.
        classes: number of classes.

    Raises:
        BadCall: for shapes that differ, or a class outside [0, classes).

    >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if predicted.ndim != 1 or predicted.shape != targets.shape:
        raise BadCall(
            "a confusion matrix needs as many predictions as targets, found shapes"
            f" {tuple(predicted.shape)} and {tuple(targets.shape)}."
        )
    for name, values in (("predicted", predicted), ("true", targets)):
        if values.numel() and not (values.min() >= 0 and values.max() < classes):
            raise BadCall(
                f"{name} classes must lie in [0, {classes}), found {values.min().item()} to {values.max().item()}."
            )
    cells = targets.long() * classes + predicted.long()
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)
