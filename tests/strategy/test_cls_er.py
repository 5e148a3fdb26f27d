"""CLS-ER against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.cls_er import cls_er
from lifelong_kd.teacher.choice import Choice
from lifelong_kd.teacher.frozen import FrozenTeacher
from tests.strategy.by_hand import ce, third_task


def test_cls_er_is_its_formula() -> None:
    strategy = cls_er(weight=0.5, stable_decay=0.9, plastic_decay=0.1, memory=12, memory_batch=8)
    step = third_task(strategy)
    memory = step.drawn("memory")
    teacher = strategy.terms["average"].teacher
    assert isinstance(teacher, Choice)
    said = []
    with torch.no_grad():
        for member in teacher.members:
            assert isinstance(member, FrozenTeacher) and member.module is not None
            said.append(member.module(memory.x))
    chosen, distance = set(), 0.0
    for i, y in enumerate(memory.y.tolist()):
        better = int(said[1][i].softmax(0)[y] > said[0][i].softmax(0)[y])
        chosen.add(better)
        distance += float((step.student("memory")[i] - said[better][i]).square().sum())
    both = torch.cat([step.student(), step.student("memory")])
    expected = ce(both, torch.cat([step.batch.y, memory.y]), range(6)) + 0.5 * distance / (8 * 6)
    assert chosen == {0, 1}
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)
