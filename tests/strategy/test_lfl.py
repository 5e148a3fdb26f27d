"""LFL against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.model.build import build_network
from lifelong_kd.strategy.lfl import lfl
from tests.strategy.by_hand import ce, third_task


@pytest.mark.parametrize("freeze_head", [False, True])
def test_lfl_is_its_formula(freeze_head: bool) -> None:
    torch.manual_seed(0)
    network = build_network((5,), 6, model=("mlp", {"hidden": [7]})).double()
    step = third_task(lfl(weight=0.3, freeze_head=freeze_head), network)
    teacher = step.driver.strategy.terms["features"].teacher.module  # type: ignore[union-attr]
    with torch.no_grad():
        difference = network.features(step.batch.x) - teacher.features(step.batch.x)
    expected = ce(step.student(), step.batch.y, range(6)) + 0.3 * float(difference.square().sum()) / 9
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)
    assert torch.equal(network.head.weight, teacher.head.weight) == freeze_head  # type: ignore[arg-type]
