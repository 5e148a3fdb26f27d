"""DMC against its formula: two experts, centred over their own classes, and no labels."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.dmc import dmc
from tests.strategy.by_hand import NEW, OLD, third_task
from tests.strategy.test_gd import Noise


@pytest.mark.parametrize("fresh", [True, False])
def test_dmc_is_its_formula(fresh: bool) -> None:
    step = third_task(dmc(pool=Noise(), pool_batch=4, fresh=fresh))
    both = step.driver.strategy.terms["consolidate"].teacher
    old, expert = both.members  # type: ignore[union-attr]
    x, said = step.drawn("external").x, step.student("external")
    total = 0.0
    for module, columns in ((old.module, OLD), (expert.module, NEW)):
        z = module(x).detach()[:, list(columns)]
        total += float(((said[:, list(columns)] - (z - z.mean(dim=1, keepdim=True))) ** 2).sum())
    assert float(step.total.detach()) == pytest.approx(total / 6 / len(x), rel=1e-10)
    assert step.parts()["task"][1] == 0.0


def test_the_student_begins_anew() -> None:
    step = third_task(dmc(pool=Noise()))
    old, _ = step.driver.strategy.terms["consolidate"].teacher.members  # type: ignore[union-attr]
    apart = (old.module[0].weight - step.driver.model[0].weight).detach().abs().max()  # type: ignore[index]
    assert float(apart) > 0.2 and not torch.equal(old.module[2].bias, step.driver.model[2].bias)  # type: ignore[index]
