"""LwF.MC against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.lwf_mc import lwf_mc
from tests.strategy.by_hand import NEW, OLD, third_task


def test_lwf_mc_is_its_formula() -> None:
    step = third_task(lwf_mc(weight=0.5))
    q, p = torch.sigmoid(step.student()), torch.sigmoid(step.taught("distill"))
    expected = 0.0
    for i, y in enumerate(step.batch.y.tolist()):
        expected -= sum(float((q[i, c] if c == y else 1 - q[i, c]).log()) for c in NEW)
        for c in OLD:
            a, b = p[i, c], q[i, c]
            expected += 0.5 * float(a * (a / b).log() + (1 - a) * ((1 - a) / (1 - b)).log())
    assert float(step.total.detach()) == pytest.approx(expected / len(q), rel=1e-10)
