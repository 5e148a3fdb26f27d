"""LUCIR: learning a unified classifier incrementally via rebalancing."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.correction.base import Correction
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.knowledge.cosine import Cosine
from lifelong_kd.memory import as_memory
from lifelong_kd.model.cosine import CosineHead
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.phase.base import Phase
from lifelong_kd.phase.imprint import Imprint
from lifelong_kd.schedule.ratio import SqrtOldNew
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.margin import MarginRanking
from lifelong_kd.strategy.old_rows import OldRows
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["lucir"]


def lucir(
    *,
    weight: Annotated[object, Component("schedule")] | None = None,
    margin_weight: Annotated[object, Component("schedule")] = 1.0,
    k: int = 2,
    margin: float = 0.5,
    imprint: bool = True,
    fix_old: bool = True,
    fine_tuning_epochs: int = 0,
    fine_tuning_lr: float = 0.01,
    nearest_mean: bool = False,
    memory: Annotated[object, Component("memory")] = 2000,
) -> Strategy:
    """LUCIR: cosine classifier, features that keep their direction, and a margin between old and new
    classes.

    ``L = CE(seen classes) + weight * (1 - cos(f_student, f_teacher)) + margin_weight * ranking`` on new
    data and exemplars in one shuffled set; ``ranking`` is, over the exemplars of old classes and the ``k``
    new classes with the largest cosines, the mean of ``max(margin - cos_true + cos_new, 0)``. Needs the
    head ``cosine``.

    Paper: Hou, Pan, Loy, Wang, Lin 2019, "Learning a unified classifier incrementally via rebalancing",
    CVPR (no arXiv number), section 3; k = 2, margin = 0.5 and a ``weight`` of 5 sqrt(old / new) are those of
    the authors' code for CIFAR-100, whose losses are means over the samples: no weight is converted.
    Readings, each that of the authors' code: the ranking is the mean over the k classes (the paper sums
    them), and over the exemplars alone (the paper divides by the batch); old rows of the classifier stay
    fixed; new ones are imprinted. The paper's features are those before the last ReLU, which is the
    network's to offer.

    Args:
        weight: weight of the features' direction: a number, one a task, or a schedule; 5 sqrt(old / new) if
            null.
        margin_weight: weight of the ranking; 0 leaves it out.
        k: new classes that each exemplar of an old one is kept apart from.
        margin: between the cosines of the true and the new classes, at least 0.
        imprint: whether the rows of new classes begin as the means of their features.
        fix_old: whether the rows of old classes stay what they are in the main training.
        fine_tuning_epochs: epochs in which the head is trained on the exemplars alone, when they have been
            chosen; 0 for none. The code has 20.
        fine_tuning_lr: learning rate of those.
        nearest_mean: whether predictions are those of the nearest mean of exemplars instead of the
            classifier.
        memory: what is kept; a number is that many exemplars in total, chosen by herding. The paper's 20 a
            class are ``{name: herding, per_class: 20}``.
    """
    if fine_tuning_epochs < 0:
        raise BadCall(f"fine_tuning_epochs must be at least 0, got {fine_tuning_epochs}")
    phases: list[Phase] = [Imprint()] if imprint else []
    if fine_tuning_epochs:
        half = [fine_tuning_epochs // 2] if fine_tuning_epochs > 1 else []
        phases.append(
            BalancedFineTuning(epochs=fine_tuning_epochs, lr=fine_tuning_lr, milestones=half, train="head")
        )
    corrections: list[Correction] = [OldRows(CosineHead, "cosine")] if fix_old else []
    return Strategy(
        task_loss=TaskLoss("seen"),
        terms={
            "features": Distill(
                Snapshot(), Cosine(), weight=SqrtOldNew(scale=5.0) if weight is None else weight
            ),
            "margin": MarginRanking(k=k, margin=margin, weight=margin_weight),
        },
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        phases=phases,
        corrections=[*corrections, *([NearestMean()] if nearest_mean else [])],
    )
