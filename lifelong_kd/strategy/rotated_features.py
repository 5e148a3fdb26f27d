"""PASS's distillation: features stay, in every rotation."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.knowledge.feature_l2 import batch_l2_loss
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.rotation import FEATURES, RotatedClasses
from lifelong_kd.strategy.term import Term
from lifelong_kd.teacher.base import Teacher

__all__ = ["RotatedFeatures"]


class RotatedFeatures(Term):
    """The features of the new batch in all its rotations stay where the teacher has them.

    ``sqrt(sum_i || f_student(x_i) - f_teacher(x_i) ||^2)`` over the batch as one vector, as in the code of
    PASS.

    Args:
        teacher: the student before this task.
        classes: who rotates.
        weight: when and how much: a schedule, a number or a list.
    """

    wants = FEATURES

    def __init__(self, teacher: Teacher, classes: RotatedClasses, *, weight: object) -> None:
        super().__init__("new", weight)
        self._teacher = teacher
        self._classes = classes

    @property
    def teacher(self) -> Teacher:
        return self._teacher

    def value(self, lesson: Lesson) -> Tensor | None:
        if not self._teacher.ready:
            return None
        student, taught = lesson.student("new").features, lesson.taught(self._teacher, "new").features
        if student is None or taught is None:
            return None
        if self._classes.rotations:
            copies, _, more = self._classes.turned(lesson)
            said = self._teacher.teach(copies, FEATURES).features
            if said is not None:
                student, taught = torch.cat([student, more]), torch.cat([taught, said])
        return batch_l2_loss(student, taught).mean()
