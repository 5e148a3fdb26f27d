"""FDR against its formula: two steps, the second on stored probabilities."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.memory.random import Random
from lifelong_kd.strategy.fdr import fdr
from tests.strategy.by_hand import ce, third_task


def test_the_two_losses_of_fdr_are_their_formulas() -> None:
    step = third_task(fdr(alpha=0.5, memory=12, memory_batch=7))
    assert float(step.total.detach()) == pytest.approx(ce(step.student(), step.batch.y, range(6)), rel=1e-10)
    model = step.driver.model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)
    (second,) = step.driver.strategy.separate(step.lesson)
    batch = step.drawn("memory")
    with torch.no_grad():
        now = model(batch.x).softmax(dim=1)
    before = batch.fields["logits"].double().softmax(dim=1)
    expected = 0.5 * sum(float((a - b).square().sum().sqrt()) for a, b in zip(now, before, strict=True)) / 7
    assert float(second.detach()) == pytest.approx(expected, rel=1e-6)


def test_a_number_is_that_many_samples_shared_by_the_tasks() -> None:
    step = third_task(fdr(memory=12))
    memory = step.driver.strategy.memory
    assert isinstance(memory, Random)
    assert memory.take(torch.arange(12))["task"].bincount().tolist() == [6, 6]
