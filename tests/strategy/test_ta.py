"""TA: the teacher's BatchNorm takes the batch's statistics, its weights stay."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.strategy.ta import ta
from tests.strategy.by_hand import NEW, OLD, ce, kl, third_task


class Normalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.norm, self.head = nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 6)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.stem(x))))


def test_ta_is_its_formula() -> None:
    step = third_task(ta(), Normalised())
    module = step.driver.strategy.terms["kd"].teacher.module  # type: ignore[union-attr]
    h = module.stem(step.batch.x)
    h = (h - h.mean(dim=0)) / (h.var(dim=0, unbiased=False) + 1e-5).sqrt()
    taught = module.head(torch.tanh(module.norm.weight * h + module.norm.bias)).detach()
    said = step.student()
    expected = ce(said, step.batch.y, NEW) + 10 * kl(said, taught, OLD)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)
    assert not torch.equal(module.norm.running_mean, torch.zeros(7))


def test_on_lwf_mc_has_the_papers_weight() -> None:
    step = third_task(ta(on="lwf_mc"), Normalised())
    assert step.parts()["kd"][1] == 0.5 and type(step.driver.strategy.terms["kd"].knowledge).__name__ == "Bce"  # type: ignore[attr-defined]
    assert ta(warm_up=3).phases[0].lr == 0.1  # type: ignore[attr-defined]
