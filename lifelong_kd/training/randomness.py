"""The process-wide random generators: lent to a run, and left alone by an evaluation."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from lifelong_kd.core.seeds import Seeds

__all__ = ["own_randomness", "undisturbed"]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, random draws from the default generators of torch, NumPy and Python leave no trace behind."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@contextmanager
def own_randomness(seeds: Seeds) -> Iterator[None]:
    """Inside, the process-wide generators are the run's; afterwards they are as they were."""
    with undisturbed():
        seed = seeds.derive("process")
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        yield
