"""WA: weight aligning."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.correction.weight_align import WeightAlignment
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.schedule.ratio import Complement, OldAll
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["wa"]


def wa(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] | None = None,
    task_weight: Annotated[object, Component("schedule")] | None = None,
    memory: Annotated[object, Component("memory")] = 2000,
    task_loss: Classes = "seen",
    positive: bool = True,
) -> Strategy:
    """WA: distillation, and weight vectors of the new classes brought to the length of the old ones'.

    ``L = task_weight * CE(new data and exemplars) + weight * T^2 KL(teacher^T || student^T)`` over the old
    classes. After each step the classifier's weights below 0 become 0, and after each task ``w_new <- w_new *
    mean ||w_old|| / mean ||w_new||``.

    Paper: Zhao et al. 2020, "Maintaining Discrimination and Fairness in Class Incremental Learning", arXiv
    1911.07053, sections 3 and 4; T = 2, 2000 herded exemplars. With lambda = o / (o + n) for o old and n new
    classes it weighs the cross-entropy 1 - lambda and the distillation lambda. The latter carries no T^2, so
    ``weight`` is lambda / T^2 here.

    The clipping belongs to the paper; PyCIL leaves it out, and some versions of its code weigh the losses 1
    and 2. A row's length says how large its logits are only if its entries have one sign and the features too
    (a rectified last layer). Without it the rows of old classes grow long by entries below 0, on which new
    classes' samples push, and where the task loss weighs as little as 1 - lambda the new rows can be the
    shorter ones: the alignment then adds to the lead of the new classes instead of taking it away. The log
    has the factor as ``phase/weight_alignment/gamma``; it should be below 1.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation term: a number, one a task, or a schedule; ``lambda / T^2`` if
            null.
        task_weight: weight of the cross-entropy: a number, one a task, or a schedule; ``1 - lambda`` if null.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, or those ``seen`` so far.
        positive: whether the classifier's weights are kept at or above 0 by clipping them after each step.

    Example:
        strategy: {name: wa, memory: 2000}
    """
    usual = OldAll(scale=1 / temperature**2)
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=Complement(of=OldAll()) if task_weight is None else task_weight,
        terms={
            "kd": Distill(Snapshot(), Kd(temperature=temperature), weight=usual if weight is None else weight)
        },
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        corrections=[WeightAlignment(positive=positive)],
    )
