"""A test set for data that bring none: a share of each class, the same in every run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["share_for_test"]

SEED = 1797


def share_for_test(y: Tensor, share: float, names: Sequence[str], domain: Tensor | None = None) -> Tensor:
    """Which samples are the test set: bool (samples,), ``share`` of each class rounded, at least one and not all.

    With domains it is that share of each class in each domain; the only sample of one is for training.

    Drawn from a fixed seed, so that runs with different seeds are compared on the same test set.

    Args:
        y: class of each sample, int64 (samples,).
        share: above 0 and below 1.
        names: what the classes are called, for the message.
        domain: domain of each sample, int64 (samples,).

    Raises:
        BadCall: for a share outside, or a class with a single sample, or a single one in each domain.
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
        groups = [rows]
        if domain is not None:
            domains = domain.numpy()[rows]
            groups = [rows[domains == one] for one in np.unique(domains)]
        for group in groups:
            if len(group) > 1:
                count = min(max(round(share * len(group)), 1), len(group) - 1)
                test[generator.permutation(group)[:count]] = True
        if not test[rows].any():
            raise BadCall(
                f"{names[number]!r} has a single sample in each of its domains: none is left for the test"
            )
    return torch.from_numpy(test)
