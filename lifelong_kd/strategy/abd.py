"""ABD: always be dreaming."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.generator.adversarial import Abd
from lifelong_kd.generator.base import Generator
from lifelong_kd.schedule.combined import Product
from lifelong_kd.schedule.ratio import Complement, OldAll, SampleShare
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.old_head import HeadAlone, OldHead
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["abd"]


def abd(
    *,
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    mu: Annotated[object, Component("schedule")] = 0.1,
) -> Strategy:
    """ABD: new classes are learned among themselves, features stay where the old classifier looks, the head sees all.

    ``L = n/C CE_new(new batch) + mean over new and generated samples of [mu / o ||W_old (f_student - f_teacher)||^2 +
    w_y CE(head(stop-gradient f), y)]``, with ``w_y = o/C`` for the o old and ``n/C`` for the n new of C classes. The
    first cross-entropy is over the new classes alone, the second over all seen. Generated samples come from a network
    that is trained against the previous model when a task begins; nothing is kept of the data.

    Needs: a class- or domain-incremental stream; a student with BatchNorm, whose statistics the generator matches.

    Paper: Smith et al. 2021, "Always Be Dreaming: A New Approach for Data-Free Class-Incremental Learning", arXiv
    2106.09701. The class weights and mu = 0.1 are those of its code, whose distillation is a mean
    over the classes, too, so that mu holds one to one; there the head's features come from a second forward pass in
    training mode, here from the first. Its generator takes 10000 iterations a task on batches of 128, training 250
    epochs.

    Args:
        generator: what makes samples of old classes; ``abd`` with its defaults if null.
        generator_batch: samples that it makes a step, at least 1; as many as the new batch if null.
        mu: weight of the features' distillation: a number, one a task, or a schedule.

    Example:
        strategy: {name: abd, generator: {name: abd, iterations: 500}}
    """
    old = Snapshot()
    replayed = SampleShare()
    fresh = Complement(of=replayed)
    return Strategy(
        task_loss=TaskLoss("new"),
        task_weight=Complement(of=OldAll()),
        terms={
            "features": OldHead(old, source="new", weight=Product(of=mu, by=fresh)),
            "features_generated": OldHead(old, source="generated", weight=Product(of=mu, by=replayed)),
            "head": HeadAlone(source="new", weight=Product(of=Complement(of=OldAll()), by=fresh)),
            "head_generated": HeadAlone(source="generated", weight=Product(of=OldAll(), by=replayed)),
        },
        generator=generator if generator is not None else Abd(),
        generator_batch=generator_batch,
    )
