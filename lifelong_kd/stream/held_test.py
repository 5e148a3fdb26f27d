"""A test set for data that bring none: a share of each class, the same in every run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["share_for_test"]

SEED = 1797


def share_for_test(y: Tensor, share: float, names: Sequence[str]) -> Tensor:
    """Which samples are the test set: bool (samples,), ``share`` of each class rounded, at least one and not all.

    Drawn from a fixed seed, so that runs with different seeds are compared on the same test set.

    Args:
        y: class of each sample, int64 (samples,).
        share: above 0 and below 1.
        names: what the classes are called, for the message.

    Raises:
        BadCall: for a share outside, or a class with a single sample.
    """
    if not 0 < share < 1:
        raise BadCall(f"stream.test, a share of each class, must be above 0 and below 1, got {share}")
    generator = np.random.Generator(np.random.PCG64(SEED))
    test = np.zeros(len(y), dtype=bool)
    classes = y.numpy()
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        if len(rows) < 2:
            raise BadCall(
                f"{names[number]!r} has a single sample: it needs one to learn from and one for the test"
            )
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        test[generator.permutation(rows)[:count]] = True
    return torch.from_numpy(test)
