"""AFC: adaptive feature consolidation."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.memory import as_memory
from lifelong_kd.model.lsc import LSCHead
from lifelong_kd.schedule.ratio import SqrtAllNew
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.importance import Important
from lifelong_kd.strategy.old_rows import OldRows
from lifelong_kd.strategy.podnet import phases
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["afc"]


def afc(
    *,
    weight: Annotated[object, Component("schedule")] | None = None,
    margin: float = 0.6,
    fine_tuning_epochs: int = 20,
    fine_tuning_lr: float = 0.05,
    nearest_mean: bool = False,
    memory: Annotated[object, Component("memory")] = 2000,
) -> Strategy:
    """AFC: PODNet's classifier above maps that keep what the old tasks' loss depends on.

    ``L = NCA(seen classes) + weight * mean over stages and channels of I_c || a_student - a_teacher ||_2``
    on new data and exemplars in one shuffled set, with ``a`` the squared map of a channel at length 1 and
    I_c its importance. Needs the head ``lsc``, and maps of more than one place.

    Paper: Kang, Park, Han 2022, "Class-incremental learning by knowledge distillation with adaptive feature
    consolidation", CVPR, arXiv 2204.00895, section 3. A weight of 4 sqrt(classes / new) is the authors'
    code's for CIFAR-100, with its squares, lengths and means: it is not converted. Readings: importance is
    measured in evaluation mode (their code leaves BatchNorm in training mode, which moves its statistics),
    on the exemplars just chosen as well; the last map counts as every other. The margin acts, while in the
    code, PODNet's, it cancels out.

    Args:
        weight: weight of the maps: a number, one a task, or a schedule; 4 sqrt(classes / new) if null.
        margin: of the NCA loss, by which the true class is to win, at least 0.
        fine_tuning_epochs: epochs in which the head is trained on the exemplars alone, when they have been
            chosen; 0 for none.
        fine_tuning_lr: learning rate of those.
        nearest_mean: whether predictions are those of the nearest mean of exemplars instead of the
            classifier.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
    """
    return Strategy(
        task_loss=TaskLoss("seen", "nca", margin=margin),
        terms={"maps": Important(Snapshot(), weight=SqrtAllNew(scale=4.0) if weight is None else weight)},
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        phases=phases(fine_tuning_epochs, fine_tuning_lr),
        corrections=[OldRows(LSCHead, "lsc"), *([NearestMean()] if nearest_mean else [])],
    )
