"""What the previous model says of generated samples, learned again: the loss of generative replay."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Task
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.strategy.columns import groups, label_of, within
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.base import Teacher

__all__ = ["Recall", "own_classes"]


class Recall(Distill):
    """Generated samples get the previous model's hard or soft labels; in a task stream the mean over its heads.

    ``T^2 KL(teacher^T || student^T)`` over the classes seen so far, the teacher giving new ones probability 0. Where
    each task has a head of its own, each earlier head's answer to every sample is learned by that head, and the mean
    over these heads is taken, or, of samples made of a known class, that of the class's own head alone.

    Args:
        teacher: the previous model.
        temperature: softens both; ``None`` for hard labels, the class that the teacher finds most likely.
        weight: when and how much: a schedule, a number or a list.
        own_head: whether the generator says of which class a sample is.
    """

    def __init__(
        self,
        teacher: Annotated[Teacher, Component("teacher")],
        *,
        temperature: float | None = None,
        weight: Annotated[object, Component("schedule")] = 1.0,
        own_head: bool = False,
    ) -> None:
        super().__init__(
            teacher,
            Kd(temperature=1.0 if temperature is None else temperature),
            source="generated",
            weight=weight,
            over="padded",
            target="hard" if temperature is None else "soft",
        )
        self.own_head = own_head

    def value(self, lesson: Lesson) -> Tensor | None:
        value = super().value(lesson)
        if value is None or lesson.task.scenario != "task" or self.own_head:
            return value
        return value / len(groups(lesson.task, "per_task", 0))

    def _columns(self, lesson: Lesson, student: Tensor, teacher: Tensor) -> list[tuple[Tensor, Tensor]]:
        batch = lesson.batch(self.source)
        if batch is None or lesson.task.scenario != "task" or not self.own_head:
            return super()._columns(lesson, student, teacher)
        width = teacher.shape[1]
        other = ~own_classes(batch.y, lesson.task, width)
        return [(student[:, :width].masked_fill(other, ABSENT), teacher.masked_fill(other, -torch.inf))]


def own_classes(y: Tensor, task: Task, width: int) -> Tensor:
    """Which columns share a head with each sample's class, in a task stream: bool, shape (batch, width)."""
    known = Task(task.index, task.scenario, task.new, task.history, _below(task, width), task.label)
    return within(label_of(y, task), known, width)


def _below(task: Task, width: int) -> dict[int, tuple[int, ...]]:
    return {
        number: tuple(column for column in classes if column < width)
        for number, classes in sorted(task.by_label.items())
    }
