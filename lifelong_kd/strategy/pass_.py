"""PASS: prototype augmentation and self-supervision."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.prototypes import Prototypes
from lifelong_kd.strategy.rotated_features import RotatedFeatures
from lifelong_kd.strategy.rotation import RotatedClasses
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["pass_"]


def pass_(
    *,
    weight: Annotated[object, Component("schedule")] = 10.0,
    prototype_weight: Annotated[object, Component("schedule")] = 10.0,
    temperature: float = 0.1,
    rotations: bool = True,
) -> Strategy:
    """PASS: one noisy prototype for each old class, features that stay, and rotated images as classes of
    their own.

    ``L = CE(new batch in four rotations) + weight * || f_student - f_teacher ||_2 + prototype_weight *
    CE(noisy prototypes)``, cross-entropies over the classes seen in each rotation, of logits over
    ``temperature``, the distance that of the whole batch as one vector. Without exemplars; for
    class-incremental streams and square images.

    Needs: a class-incremental stream of square images.

    Paper: Zhu, Zhang, Wang, Yin, Liu 2021, "Prototype augmentation and self-supervision for incremental
    learning", CVPR (no arXiv number), section 3; 10, 10 and 0.1 are the authors' code's for
    CIFAR-100, on 64 images (256 with their rotations). Both losses are theirs in scale: no weight is
    converted, but the distance grows with the root of the batch size. Readings: the task loss of the run's
    log, the cross-entropy of the upright batch, has weight 0, since the first term has these samples, too;
    upright and turned samples pass the network as two batches, which BatchNorm tells; prototypes are those
    of samples without augmentation; the head of the turned classes keeps the run's first learning rate
    through a task.

    Args:
        weight: weight of the features' distance: a number, one a task, or a schedule.
        prototype_weight: weight of the prototypes.
        temperature: that logits are divided by in training, above 0.
        rotations: whether there are turned classes.
    """
    classes = RotatedClasses(temperature=temperature, rotations=rotations)
    return Strategy(
        task_loss=TaskLoss("seen"),
        task_weight=0.0,
        terms={
            "classes": classes,
            "features": RotatedFeatures(Snapshot(), classes, weight=weight),
            "prototypes": Prototypes(classes, weight=prototype_weight),
        },
    )
