"""PODNet: pooled outputs distillation."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.knowledge.cosine import Cosine
from lifelong_kd.knowledge.pod import Pod
from lifelong_kd.memory import as_memory
from lifelong_kd.model.lsc import LSCHead
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.phase.base import Phase
from lifelong_kd.phase.imprint import Imprint
from lifelong_kd.schedule.ratio import SqrtAllNew
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.old_rows import OldRows
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["phases", "podnet"]


def podnet(
    *,
    spatial_weight: Annotated[object, Component("schedule")] | None = None,
    flat_weight: Annotated[object, Component("schedule")] | None = None,
    margin: float = 0.6,
    fine_tuning_epochs: int = 20,
    fine_tuning_lr: float = 0.05,
    nearest_mean: bool = False,
    memory: Annotated[object, Component("memory")] = 2000,
) -> Strategy:
    """PODNet: maps that keep their sums along each side, features that keep their direction, several
    proxies a class.

    ``L = NCA(seen classes) + spatial_weight * POD(maps) + flat_weight * (1 - cos(f_student, f_teacher))``
    on new data and exemplars in one shuffled set; POD is the distance of squared maps, summed over width
    and over height and brought to length 1, mean over the stages. Needs the head ``lsc``.

    Paper: Douillard, Cord, Ollion, Robert, Valle 2020, "PODNet: pooled outputs distillation for small-tasks
    incremental learning", arXiv 2004.13513, section 3. Weights are those of the authors' code for
    CIFAR-100: 3 sqrt(classes / new) for the maps (5 where the nearest mean predicts) and sqrt(classes /
    new) for the features; knowledge and code share all means, none is converted. Readings: the ratio counts
    the new classes among all, as the code does (the text's can be read as old by new); the margin acts,
    while in the authors' code it cancels out; it is taken from the scaled logit, so that it does not grow
    with the head's scale. Old proxies stay fixed, new ones begin as centres of k-means, as in the code.

    Args:
        spatial_weight: weight of the maps: a number, one a task, or a schedule; 3 sqrt(classes / new) if
            null.
        flat_weight: weight of the features' direction; sqrt(classes / new) if null.
        margin: of the NCA loss, by which the true class is to win, at least 0.
        fine_tuning_epochs: epochs in which the head is trained on the exemplars alone, when they have been
            chosen; 0 for none.
        fine_tuning_lr: learning rate of those.
        nearest_mean: whether predictions are those of the nearest mean of exemplars instead of the
            classifier.
        memory: what is kept; a number is that many exemplars in total, chosen by herding. The paper's 20 a
            class are ``{name: herding, per_class: 20}``.
    """
    teacher = Snapshot()
    return Strategy(
        task_loss=TaskLoss("seen", "nca", margin=margin),
        terms={
            "spatial": Distill(
                teacher, Pod(), weight=SqrtAllNew(scale=3.0) if spatial_weight is None else spatial_weight
            ),
            "flat": Distill(
                teacher, Cosine(), weight=SqrtAllNew(scale=1.0) if flat_weight is None else flat_weight
            ),
        },
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        phases=phases(fine_tuning_epochs, fine_tuning_lr),
        corrections=[OldRows(LSCHead, "lsc"), *([NearestMean()] if nearest_mean else [])],
    )


def phases(epochs: int, lr: float) -> list[Phase]:
    """What PODNet and AFC do before and after the main training: imprint, and fine-tune the head for
    ``epochs``."""
    if epochs < 0:
        raise BadCall(f"fine_tuning_epochs must be at least 0, got {epochs}")
    tuning = [BalancedFineTuning(epochs=epochs, lr=lr, train="head", loss="task")] if epochs else []
    return [Imprint(), *tuning]
