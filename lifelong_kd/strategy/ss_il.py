"""SS-IL: separated softmax for incremental learning."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Annotated

from torch import Tensor

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.schedule.combined import Product
from lifelong_kd.schedule.ratio import Complement, SampleShare
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["SeparatedRehearse", "ss_il"]


class SeparatedRehearse(Rehearse):
    """The task loss of exemplars over the old classes alone: it leaves the new ones' outputs as they are."""

    def value(self, lesson: Lesson) -> Tensor | None:
        batch = lesson.batch(self.source)
        if batch is None:
            return None
        # The old classes in the place of the new ones: the loss of new data, as it was for each of them.
        earlier = replace(lesson.task, new=lesson.task.old, history=())
        return TaskLoss("new")(lesson.student(self.source).logits, batch.y, batch.label, earlier)


def ss_il(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 1.0,
    memory: Annotated[object, Component("memory")] = 2000,
    memory_batch: int | None = 32,
) -> Strategy:
    """SS-IL: new data compete among new classes, exemplars among old ones, each task is distilled on its own.

    ``L = CE(new batch over new) + CE(exemplars over old) + weight * sum_{earlier tasks} T^2 KL(teacher^T ||
    student^T)`` with one mean over the samples of both batches, and the last sum on both.

    Paper: Ahn et al. 2021, "SS-IL: Separated Softmax for Incremental Learning", arXiv 2003.13947, section 4;
    T = 2, batches of 128 new samples and 32 exemplars (its ImageNet setting). Its code has T^2 and a sum over
    the tasks, so the weight of 1 holds one to one; the sum grows with the number of earlier tasks. Its code
    keeps the first samples of each class, as many of each; here they are herded.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation of each earlier task: a number, one a task, or a schedule.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        memory_batch: exemplars replayed a step; as many as the new batch if null.

    Example:
        strategy: {name: ss_il, memory: 2000}
    """
    teacher, knowledge = Snapshot(), Kd(temperature=temperature)
    replayed = SampleShare()
    fresh = Complement(of=replayed)
    return Strategy(
        task_loss=TaskLoss("new"),
        task_weight=fresh,
        terms={
            "replay": SeparatedRehearse(weight=replayed),
            "kd": Distill(teacher, knowledge, weight=Product(of=weight, by=fresh), over="per_task"),
            "kd_memory": Distill(
                teacher,
                knowledge,
                source="memory",
                weight=Product(of=copy.deepcopy(weight), by=replayed),
                over="per_task",
            ),
        },
        memory=as_memory(memory, "herding"),
        memory_batch=memory_batch,
    )
