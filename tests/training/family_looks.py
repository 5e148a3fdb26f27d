"""Looks at a student whose answers are given, so that what a family finds can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Scenario
from lifelong_kd.stream.stream import StreamTask
from lifelong_kd.training.ask import Answers
from lifelong_kd.training.families.base import Look


class Silent:
    """An asker that must not be asked; it knows how many samples each task has."""

    def __init__(self, said: Sequence[Answers]) -> None:
        self.said = said

    def data(self, split: str, task: int) -> Any:
        assert split == "test", "test data are all that is looked at"
        return SimpleNamespace(targets=self.said[task].targets)

    def ask(self, *args: Any, **kwargs: Any) -> Answers:
        raise AssertionError("this was heard already")


def look_at(
    task: int,
    said: Sequence[tuple[Tensor, Tensor]],
    classes: Sequence[tuple[int, ...]],
    *,
    scenario: Scenario = "class",
    model: nn.Module | None = None,
) -> Look:
    """After ``task``: logits and targets that the student gave for each test task, and the classes of the tasks."""
    answers = [Answers(logits, targets) for logits, targets in said]
    tasks = tuple(
        StreamTask(i, i if scenario == "task" else 0, columns, tuple(map(str, columns)))
        for i, columns in enumerate(classes)
    )
    return Look(
        task=task,
        stream=SimpleNamespace(tasks=tasks, scenario=scenario),  # type: ignore[arg-type]
        engine=SimpleNamespace(model=model or nn.Identity()),
        plugin=None,
        asker=Silent(answers),  # type: ignore[arg-type]
        seeds=Seeds(0),
        heard={("test", number): one for number, one in enumerate(answers)},
    )


def odds(*rows: Sequence[float]) -> Tensor:
    """Logits whose softmax are these probabilities."""
    return torch.tensor(rows).log()
