"""LwF's options: a teacher padded with zeros, the weights of van de Ven et al., and the warm-up."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.schedule.ratio import InverseTask, TaskRatio
from lifelong_kd.strategy.lwf import lwf
from tests.strategy.by_hand import OLD, SEEN, ce, log_softmax, third_task
from tests.strategy.driver import Driver, data_of, linear, tasks_of


def test_padded_and_weighed_as_van_de_ven_et_al() -> None:
    strategy = lwf(task_loss="seen", over="padded", task_weight=InverseTask(), weight=TaskRatio(scale=0.25))
    step = third_task(strategy)
    said, taught = step.student(), step.taught("kd")
    p = torch.zeros(len(said), 6, dtype=torch.float64)
    p[:, list(OLD)] = log_softmax(taught, OLD, 2.0).exp()
    divergence = (p * (p.clamp_min(1e-300).log() - log_softmax(said, SEEN, 2.0))).sum(dim=1).mean()
    expected = ce(said, step.batch.y, SEEN) / 3 + (1 - 1 / 3) * float(divergence)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_the_warm_up_trains_the_new_rows_alone() -> None:
    driver = Driver(lwf(warm_up=2), linear(6))
    first, second, _ = tasks_of([(0, 1), (2, 3), (4, 5)])
    driver.learn(first)
    before = driver.model.weight.detach().clone()
    driver.begin(second, data_of(second))
    moved = (driver.model.weight != before).any(dim=1).tolist()
    assert moved[:2] == [False, False] and moved[2:4] == [True, True]


def test_no_warm_up_unless_asked() -> None:
    assert lwf().phases == []
