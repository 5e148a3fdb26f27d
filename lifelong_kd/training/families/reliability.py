"""What a teacher knows, and how student and teacher compare on samples of one source."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lifelong_kd.core.types import Scenario, Task
from lifelong_kd.evaluation.calibration import expected_calibration_error
from lifelong_kd.evaluation.fidelity import agreement, divergence, mean_entropy
from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.choice import Choice
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.frozen import FrozenTeacher

__all__ = ["compared", "known_classes", "unaskable"]


def unaskable(teacher: Teacher, *, multitask: bool) -> str | None:
    """Why a teacher cannot be asked about any sample, or ``None`` if it can.

    Args:
        teacher: who.
        multitask: whether the student is a model of Avalanche's that has to be told task labels.
    """
    if not teacher.ready:
        return "not ready in this task"
    if teacher.needs_fields - {"logits"}:
        return f"knows only samples that a memory keeps {' and '.join(sorted(teacher.needs_fields))} of"
    if "logits" not in teacher.offers:
        return "says no logits"
    return "the model is told task labels and answers by head" if multitask else None


def known_classes(teacher: Teacher, task: Task) -> tuple[int, ...]:
    """Of the classes seen so far those that a teacher has learned, sorted.

    A network of the run knows what had been seen when it was kept, an expert the task's own classes; of another the
    columns that it declares, all if it declares none; an average or a choice knows what all its members know.
    """
    if isinstance(teacher, Ensemble | Choice):
        members = [set(known_classes(member, task)) for member in teacher.members]
        return tuple(sorted(set.intersection(*members)))
    seen = set(task.seen)
    if isinstance(teacher, Expert):
        seen = set(task.new)
    elif isinstance(teacher, FrozenTeacher) and teacher.task_index >= 0:
        met = (*task.history, task.new)[: teacher.task_index + 1]
        seen = {column for classes in met for column in classes}
    declared = teacher.columns
    return tuple(sorted(seen if declared is None else seen & set(declared)))


def compared(
    student: Tensor, teacher: Tensor, y: Tensor, label: Tensor, task: Task, known: tuple[int, ...]
) -> dict[str, float | int | None] | None:
    """Fidelity of the student and reliability of the teacher on the samples of one source.

    ``samples``; over the classes that the teacher knows ``agreement``, ``kl`` (teacher || student, nats) and the
    teacher's ``entropy`` (nats), means over all samples; and on those samples whose class it knows
    ``student_accuracy``, ``teacher_accuracy`` and ``calibration_error`` (of the teacher). In a task-incremental stream
    the classes of a sample's own task compete, and those of each other task in turn if the teacher does not know the
    own one.

    Args:
        student: logits (N, columns).
        teacher: logits (N, columns).
        y: classes (N).
        label: task labels (N).
        task: the current task.
        known: the classes that the teacher knows; those without a score of its own are left out.

    Returns:
        ``None`` if the teacher knows none of the classes.
    """
    width = min(student.shape[1], teacher.shape[1])
    known = tuple(
        column
        for column in known
        if column < width and all(_said(logits[:, column]) for logits in (student, teacher))
    )
    if not known:
        return None
    columns = list(known)
    student, teacher = student[:, columns], teacher[:, columns]
    masks = list(_masks(label, task, known))
    inside = torch.isin(y, torch.tensor(columns))
    place = torch.searchsorted(torch.tensor(columns), y[inside])
    # A sample whose class the teacher knows has the same mask each time: that of its own task.
    ours, theirs = (side.masked_fill(~masks[0], -torch.inf)[inside] for side in (student, teacher))
    pairs = [tuple(side.masked_fill(~mask, -torch.inf) for side in (student, teacher)) for mask in masks]
    return {
        "samples": len(y),
        "agreement": mean_of([agreement(one, other) for one, other in pairs]),
        "kl": mean_of([divergence(one, other) for one, other in pairs]),
        "entropy": mean_of([mean_entropy(other) for _, other in pairs]),
        "student_accuracy": _share(ours.argmax(dim=1) == place),
        "teacher_accuracy": _share(theirs.argmax(dim=1) == place),
        "calibration_error": expected_calibration_error(theirs.softmax(dim=1), place),
    }


def _said(scores: Tensor) -> bool:
    return bool((scores.isfinite() & (scores != ABSENT)).any())


def _masks(label: Tensor, task: Task, known: tuple[int, ...]) -> Iterator[Tensor]:
    """Which of the known classes compete for each sample, (N, known), once for each group that they are read in."""
    columns = torch.tensor(known)
    groups = _groups(task.scenario, task, known)
    each = {number: torch.isin(columns, torch.tensor(group)) for number, group in groups.items()}
    for other in each.values():
        yield torch.stack([each.get(int(number), other) for number in label.tolist()])


def _groups(scenario: Scenario, task: Task, known: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """The classes that compete with one another, by task label."""
    if scenario != "task":
        return {task.label: known}
    return {
        label: classes
        for label, classes in task.by_label.items()
        if any(column in known for column in classes)
    }


def _share(right: Tensor) -> float | None:
    return float(right.double().mean()) if len(right) else None
