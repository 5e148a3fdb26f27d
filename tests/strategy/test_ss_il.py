"""SS-IL against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.ss_il import ss_il
from tests.strategy.by_hand import FIRST, NEW, OLD, SECOND, ce, kl, third_task


def test_ss_il_is_its_formula() -> None:
    step = third_task(ss_il(memory=12, memory_batch=4, weight=1.5))
    memory = step.drawn("memory")
    b, m = len(step.batch), len(memory)
    assert (b, m) == (9, 4)
    said, again = step.student(), step.student("memory")
    both, taught = torch.cat([said, again]), torch.cat([step.taught("kd"), step.taught("kd", "memory")])
    expected = (b * ce(said, step.batch.y, NEW) + m * ce(again, memory.y, OLD)) / (b + m)
    expected += 1.5 * sum(4 * kl(both, taught, group) for group in (FIRST, SECOND))
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)
