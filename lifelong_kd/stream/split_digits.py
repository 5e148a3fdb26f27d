"""The handwritten digits that come with scikit-learn: a stream that needs no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore

__all__ = ["split_digits"]


def split_digits(root: Path | None, seeds: Seeds) -> Source:
    """1,797 handwritten digits, 8x8, grey (scikit-learn's; UCI Optical Recognition of Handwritten Digits).

    The data have no test set of their own: a quarter of each class, drawn once and the same in every run, is the test
    set. Values 0..16 become ``round(v * 255 / 16)``.
    """
    # A configuration asks for a stream's options without loading scikit-learn.
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8)).unsqueeze(1)
    y = torch.from_numpy(digits.target.astype(np.int64))
    generator = np.random.Generator(np.random.PCG64(1797))
    test = np.zeros(len(y), dtype=bool)
    for number in range(10):
        rows = np.flatnonzero(digits.target == number)
        test[generator.permutation(rows)[: len(rows) // 4]] = True
    held = torch.from_numpy(test)
    return Source(
        train=Samples(TensorStore(x[~held].contiguous()), y[~held]),
        test=Samples(TensorStore(x[held].contiguous()), y[held]),
        class_names=tuple(str(number) for number in range(10)),
    )
