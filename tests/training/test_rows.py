"""Which of the samples that a task is trained on are its own, and which rows of its data they are."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.types import Batch
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.testing.small import small_experiment


@pytest.mark.parametrize(
    ("train_on", "held"),
    [("new", 0.0), ("everything", 0.0), ("new_and_memory", 0.0), ("new_and_memory", 0.3)],
)
def test_rows_are_those_of_the_tasks_own_data(
    train_on: Any, held: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = Strategy(task_loss=TaskLoss("seen"), memory=Herding(total=12), train_on=train_on, held=held)
    own: dict[int, int] = {}
    others: dict[int, int] = {}
    lesson = strategy.lesson

    def looking(new: Batch, *args: Any, **options: Any) -> Lesson:
        assert new.row is not None
        mine, task = new.row >= 0, strategy.task
        assert torch.equal(new.raw[mine], strategy.data.raw(new.row[mine]))
        assert all(column in task.new for column in new.y[mine].tolist())
        assert not any(column in task.new for column in new.y[~mine].tolist())
        own[task.index] = own.get(task.index, 0) + int(mine.sum())
        others[task.index] = others.get(task.index, 0) + int((~mine).sum())
        return lesson(new, *args, **options)

    monkeypatch.setattr(strategy, "lesson", looking)
    small_experiment(strategy, epochs=1).run(tmp_path / "run")
    assert others[0] == 0 and (others[2] > 0) == (train_on != "new")
    assert (own[2] < own[0]) == (held > 0)
