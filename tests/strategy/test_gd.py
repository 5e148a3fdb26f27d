"""Global distillation against its formula, with a pool and without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData
from lifelong_kd.strategy.gd import gd, global_probabilities
from lifelong_kd.stream.pool import Pool
from tests.strategy.by_hand import NEW, OLD, SEEN, begin, ce, kl, log_softmax, student, third_task
from tests.strategy.driver import Driver, tasks_of


class Noise(Pool):
    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        return torch.randn(count, 5, generator=generator).double()


def test_without_a_pool() -> None:
    step = third_task(gd(memory=12, balanced_epochs=0), exemplars=True)
    said, p, c = step.student(), step.taught("previous"), step.taught("expert")
    expected = ce(said, step.batch.y, SEEN) + 4 / 6 * 4 * kl(said, p, OLD) + 2 / 6 * 4 * kl(said, c, NEW)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_with_a_pool_everything_is_a_mean_over_both() -> None:
    step = third_task(gd(memory=12, pool=Noise(), pool_batch=3, balanced_epochs=0), exemplars=True)
    b, e = len(step.batch), len(step.drawn("external"))
    assert e == 3
    said, there = step.student(), step.student("external")
    both = torch.cat([said, there])
    p, c = (torch.cat([step.taught(name), step.taught(name, "external")]) for name in ("previous", "expert"))
    old, new = (log_softmax(each[b:], group).exp() for each, group in ((p, OLD), (c, NEW)))
    q = torch.zeros(e, 6, dtype=torch.float64)
    for i in range(e):
        top = int(old[i].argmax())
        rest = 1 - float(old[i, top])
        for j, column in enumerate(OLD):
            q[i, column] = old[i, j] if j == top else old[i, j] * 3 / 5
        for j, column in enumerate(NEW):
            q[i, column] = new[i, j] * rest * 2 / 5
    assert torch.allclose(q.sum(dim=1), torch.ones(e, dtype=q.dtype))
    ensemble = float((q * (q.log() - log_softmax(there, SEEN))).sum())
    expected = (b * ce(said, step.batch.y, SEEN) + ensemble) / (b + e)
    expected += 4 / 6 * 4 * kl(both, p, OLD) + 2 / 6 * 4 * kl(both, c, NEW)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_probabilities_of_one_old_class() -> None:
    assert global_probabilities(torch.ones(1, 1), torch.tensor([[0.3, 0.7]])).tolist() == [[1.0, 0.0, 0.0]]


def test_classes_that_come_again_have_no_global_teacher() -> None:
    first, second = tasks_of([(0, 1, 2), (0, 1, 2)], "domain")
    driver = Driver(gd(memory=12, pool=Noise(), balanced_epochs=0), student())
    begin(driver, first)
    driver.end()
    with pytest.raises(BadCall, match="leave out the pool"):
        begin(driver, second)
    driver = Driver(gd(memory=12, balanced_epochs=0), student())
    for task in (first, second):
        begin(driver, task)
        driver.end()
