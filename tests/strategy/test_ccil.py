"""CCIL against its formula, and its self-distillation."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.ccil import ccil
from tests.strategy.by_hand import NEW, OLD, SEEN, begin, ce, kl, student, third_task
from tests.strategy.driver import Driver, tasks_of


def test_ccil_is_its_formula() -> None:
    step = third_task(ccil(memory=12, memory_batch=5))
    memory = step.drawn("memory")
    said, again, taught = step.student(), step.student("memory"), step.taught("kd")
    old, new = 4 / 6, 2 / 6
    factor = 5 * 3**0.66
    # The authors' loss is a mean over the four old classes, with T^2.
    fresh = 4 * kl(said, taught, OLD) / 4
    kept = 4 * kl(again, step.taught("kd", "memory"), OLD) / 4
    # A batch of their exemplars is of old and new classes.
    exemplars = old * ce(again, memory.y, SEEN) + new * ce(said, step.batch.y, SEEN)
    expected = ce(said, step.batch.y, NEW) + exemplars + factor * (fresh + old * kept + new * fresh)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("generations", [0, 2])
def test_self_distillation_goes_on_from_the_first_task_alone(generations: int) -> None:
    driver = Driver(ccil(memory=12, self_distillation=generations, self_epochs=2), student())
    for task in tasks_of([(0, 1), (2, 3)]):
        begin(driver, task)
        before = driver.model[0].weight.detach().clone()  # type: ignore[index]
        driver.end()
        moved = not torch.equal(before, driver.model[0].weight)  # type: ignore[index]
        assert moved == (generations > 0 and task.index == 0)
