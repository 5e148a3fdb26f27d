"""MKD against its formula."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.strategy.mkd import mkd
from tests.strategy.by_hand import Step, ce, kl, third_task


def momentum(step: Step, source: str) -> float:
    """The sum over samples, mean over the two views; without T^2."""
    teacher = step.driver.strategy.terms["momentum"].teacher
    total = 0.0
    for x in (step.drawn(source).x, step.drawn(source).raw):
        with torch.no_grad():
            said, taught = step.driver.model(x), teacher.module(x)  # type: ignore[union-attr]
        total += kl(said, taught, range(6), 3.0, mean=False) / 2
    return total


@pytest.mark.parametrize("on", ["replay", "naive"])
def test_mkd_is_its_formula(on: Literal["replay", "naive"]) -> None:
    step = third_task(mkd(on=on, weight=2.0, temperature=3.0, decay=0.8, memory=12, memory_batch=5))
    sources = ["new", "memory"] if on == "replay" else ["new"]
    said = torch.cat([step.student(source) for source in sources])
    y = torch.cat([step.drawn(source).y for source in sources])
    expected = ce(said, y, range(6)) + 2.0 * 9.0 * sum(momentum(step, s) for s in sources) / len(y)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)


def test_mkd_is_added_to_what_it_knows() -> None:
    with pytest.raises(BadCall, match="derpp"):
        mkd(on="icarl")  # type: ignore[arg-type]
