"""SER against its formula."""

from __future__ import annotations

import pytest
from torch import Tensor

from lifelong_kd.strategy.ser import ser
from tests.strategy.by_hand import ce, third_task


def mse(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().sum()) / a.numel()


def test_ser_is_its_formula() -> None:
    step = third_task(ser(alpha=0.3, beta=0.7, memory=12, memory_batch=5))
    memory = step.drawn("memory")
    expected = (
        ce(step.student(), step.batch.y, range(6))
        + ce(step.student("memory"), memory.y, range(6))
        + 0.3 * mse(step.student("memory"), memory.fields["logits"].double())
        + 0.7 * mse(step.student(), step.taught("forward"))
    )
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)
