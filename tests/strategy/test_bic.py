"""BiC against its formula: a softmax over classes, T that counts, and logits corrected on both sides."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.bic import bic
from tests.strategy.by_hand import OLD, SECOND, SEEN, ce, kl, third_task


@pytest.mark.parametrize("temperature", [2.0, 3.0])
def test_bic_is_its_formula(temperature: float) -> None:
    step = third_task(bic(temperature=temperature, memory=12, epochs=5, held=0.4), exemplars=True)
    bias = step.driver.strategy.corrections[0]
    alpha, beta = (getattr(bias, name)[list(SECOND)] for name in ("alpha", "beta"))
    assert not torch.equal(alpha, torch.ones(2)) and alpha[0] == alpha[1]
    raw, taught = step.driver.model(step.batch.x).detach(), step.taught("kd")
    for logits in (raw, taught):
        logits[:, list(SECOND)] = alpha.double() * logits[:, list(SECOND)] + beta.double()
    share = 4 / 6
    expected = (1 - share) * ce(raw, step.batch.y, SEEN) + share * kl(raw, taught, OLD, temperature)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)
