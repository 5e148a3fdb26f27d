"""R-DFCIL: relation-guided data-free learning."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.generator.adversarial import Abd
from lifelong_kd.generator.base import Generator
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.rkd_angle import RkdAngle
from lifelong_kd.phase.head_fine_tuning import HeadFineTuning
from lifelong_kd.schedule.relation import LogSqrt, PerLogSqrt
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["r_dfcil"]


def r_dfcil(
    *,
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    classification: float = 0.5,
    hard: float = 0.15,
    relation: float = 0.5,
    head_epochs: int = 40,
    head_lr: float | None = 0.005,
) -> Strategy:
    """R-DFCIL: relations between new samples carry what the old model knows over the gap to generated ones.

    ``L = classification (1 + 1/a) / b CE_new(new batch) + hard a b mean |z_student - z_teacher|(generated, old classes)
    + relation a b RKD-angle(features of the new batch)``, with ``a = log2(n/2 + 1)`` and ``b = sqrt(o/n)`` of o old and
    n new classes. After the task the head alone is fine-tuned on new and generated samples of all classes, balanced.

    Needs: a class- or domain-incremental stream; a student with BatchNorm, whose statistics the generator matches.

    Paper: Gao et al. 2022, "R-DFCIL: Relation-Guided Representation Learning for Data-Free Class Incremental Learning",
    arXiv 2203.13104; the weights are those of its code. There the features go through a learned linear map,
    one for either side, before the angles are compared by their absolute difference; here the features themselves are,
    by the Huber loss of RKD. A new generator is trained for each task, in 5000 iterations there.

    Args:
        generator: what makes samples of old classes; ``abd`` with ``fresh: true`` and 5000 iterations if null.
        generator_batch: samples that it makes a step, at least 1; as many as the new batch if null.
        classification: scale of the cross-entropy, at least 0; the weight of the fine-tuning's cross-entropy, too.
        hard: scale of the distillation on generated samples, at least 0.
        relation: scale of the relations on new samples, at least 0.
        head_epochs: epochs of the head's fine-tuning, at least 1.
        head_lr: its learning rate; that of the run if null.

    Example:
        strategy: {name: r_dfcil, generator: {name: abd, fresh: true, iterations: 500}}
    """
    old = Snapshot()
    return Strategy(
        task_loss=TaskLoss("new"),
        task_weight=PerLogSqrt(scale=classification),
        terms={
            "generated": Distill(old, L1(), source="generated", weight=LogSqrt(scale=hard)),
            "relations": Distill(old, RkdAngle(), source="new", weight=LogSqrt(scale=relation)),
        },
        phases=[
            HeadFineTuning(
                teacher=old,
                epochs=head_epochs,
                lr=head_lr,
                weight=classification,
                distill=LogSqrt(scale=hard),
            )
        ],
        generator=generator if generator is not None else Abd(fresh=True, iterations=5000),
        generator_batch=generator_batch,
    )
