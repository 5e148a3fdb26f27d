"""LwM: Learning without Memorizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.gradcam import GradCam
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["lwm"]


def lwm(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 0.25,
    attention: Annotated[object, Component("schedule")] = 1.0,
    task_loss: Classes = "new",
    at: Sequence[str] | None = None,
) -> Strategy:
    """LwM: the previous model teaches which old class a new image resembles, and where it sees it.

    ``L = CE(new batch) + weight * T^2 KL(teacher^T || student^T) + attention * || Q_t / ||Q_t|| - Q_s /
    ||Q_s|| ||_1`` on the new data, over the old classes; Q is the class activation map (Grad-CAM) of the last
    stage as a vector. Without a memory. The model must be convolutional.

    Paper: Dhar et al. 2019, "Learning without Memorizing", arXiv 1811.08051. It gives no values for beta
    (``weight``) and gamma (``attention``); FACIL has 1 and 1 at T = 2. Its cross-entropy of softened outputs
    carries no T^2, so beta = 1 is ``weight`` = 1 / T^2 = 0.25 here; gamma holds one to one. Readings: both
    maps are of the old class that the teacher finds most probable (FACIL takes each model's own top class,
    Douillard's code the student's top old class); the student's map is that of its training step, with
    gradient (in FACIL's code none flows from it), the teacher's that in evaluation mode. The attention term
    buys less forgetting with less learning; how much of it is best depends on the data.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation of logits: a number, one a task, or a schedule.
        attention: weight of the distance between the attention maps: a number, one a task, or a schedule.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``, as in FACIL without exemplars.
        at: modules whose maps are compared, of which the last counts; the network's stages if null.

    Example:
        strategy: {name: lwm, weight: 0.5}
        model: {name: cnn, width: 8}
    """
    teacher = Snapshot()
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={
            "kd": Distill(teacher, Kd(temperature=temperature), weight=weight, over="old"),
            "attention": Distill(teacher, GradCam(), weight=attention, over="old", at=at),
        },
    )
