"""ANCL against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.ancl import ancl
from tests.strategy.by_hand import NEW, OLD, ce, kl, third_task


def test_ancl_is_its_formula() -> None:
    step = third_task(ancl(expert_epochs=2))
    said, previous, expert = step.student(), step.taught("previous"), step.taught("auxiliary")
    assert not torch.equal(previous, expert)
    # lambda = 10 and lambda_a = 1 of cross-entropies without T^2.
    expected = ce(said, step.batch.y, NEW) + 10 * kl(said, previous, OLD) + kl(said, expert, NEW)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)
