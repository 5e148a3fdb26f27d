"""The strategy DeepInversion against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.deep_inversion import deep_inversion
from tests.strategy.by_hand import OLD, SEEN, ce, third_task
from tests.strategy.made_generator import Same


def test_deep_inversion_is_its_formula() -> None:
    rng = torch.Generator().manual_seed(8)
    x, y = torch.randn(9, 5, generator=rng).double(), torch.tensor([0, 1, 3, 5, 0, 1, 3, 5, 0])
    found = third_task(deep_inversion(generator=Same(x, y), temperature=3.0, weight=0.7))
    assert torch.equal(found.drawn("generated").y, y)
    student, teacher = found.student("generated") / 3, found.taught("inverted", "generated") / 3
    taught = torch.zeros(9, 6).double()
    taught[:, list(OLD)] = torch.softmax(teacher[:, list(OLD)], dim=1)
    kl = 0.0
    for p, q in zip(taught, torch.log_softmax(student, dim=1), strict=True):
        kl += sum(float(p[c]) * (float(p[c].log()) - float(q[c])) for c in OLD) / 9
    expected = ce(found.student(), found.batch.y, SEEN) + 0.7 * 9 * kl
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-9)
