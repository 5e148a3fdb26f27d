"""IL2M trains like fine-tuning with exemplars and corrects afterwards."""

from __future__ import annotations

import pytest

from lifelong_kd.strategy.il2m import il2m
from tests.strategy.by_hand import SEEN, ce, third_task


def test_il2m_is_fine_tuning_with_exemplars() -> None:
    step = third_task(il2m(memory=12), exemplars=True)
    assert float(step.total.detach()) == pytest.approx(ce(step.student(), step.batch.y, SEEN), rel=1e-10)
    assert step.driver.strategy.terms == {} and step.driver.strategy.teachers == {}
    assert [type(each).__name__ for each in step.driver.strategy.corrections] == ["Il2m"]
