"""WA against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.wa import wa
from tests.strategy.by_hand import NEW, OLD, SEEN, ce, kl, third_task


def test_wa_is_its_formula() -> None:
    step = third_task(wa(memory=12), exemplars=True)
    said, taught = step.student(), step.taught("kd")
    share = 4 / 6
    expected = (1 - share) * ce(said, step.batch.y, SEEN) + share * kl(said, taught, OLD)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_after_a_task_new_rows_are_as_long_as_old_ones() -> None:
    step = third_task(wa(memory=12))
    step.driver.end()
    assert float(step.driver.model[2].weight.detach().min()) >= 0  # type: ignore[index]
    lengths = step.driver.model[2].weight.detach().norm(dim=1)  # type: ignore[index]
    assert lengths[list(NEW)].mean() == pytest.approx(float(lengths[list(OLD)].mean()))
    teacher = step.driver.strategy.terms["kd"].teacher
    assert torch.equal(teacher.module[2].weight, step.driver.model[2].weight)  # type: ignore[union-attr,index]


@pytest.mark.parametrize("positive", [True, False])
def test_weights_are_clipped_after_each_step(positive: bool) -> None:
    step = third_task(wa(memory=12, positive=positive))
    smallest = float(step.driver.model[2].weight.detach().min())  # type: ignore[index]
    assert (smallest >= 0) is positive
