"""FOSTER's two parts: distillation from the previous model, then into a new one."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.foster import foster
from tests.strategy.by_hand import OLD, SEEN, ce, kl, third_task


def test_the_main_part_is_its_formula() -> None:
    step = third_task(foster(memory=12), exemplars=True)
    said, taught = step.student(), step.taught("previous")
    expected = ce(said, step.batch.y, SEEN) + kl(said, taught, OLD)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_after_the_task_another_model_stands_in_its_place() -> None:
    step = third_task(foster(memory=12, compression_epochs=3, compression_lr=0.05))
    before = step.driver.model[0].weight.detach().clone()  # type: ignore[index]
    step.driver.end()
    assert float((before - step.driver.model[0].weight).detach().abs().max()) > 0.2  # type: ignore[index]
    assert "consolidation/loss" in step.driver.strategy.stage.notes
    teacher = step.driver.strategy.terms["previous"].teacher
    assert torch.equal(teacher.module[0].weight, step.driver.model[0].weight)  # type: ignore[union-attr,index]
