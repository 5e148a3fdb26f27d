"""Deep generative replay."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.generator.base import Generator
from lifelong_kd.generator.vae import Vae
from lifelong_kd.schedule.ratio import Complement, TaskRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.recall import Recall
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["dgr"]


def dgr(
    *,
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """DGR: each step also learns from samples that a generator makes, labelled by the previous model.

    ``L = 1/t CE(new batch) + (1 - 1/t) CE(generated batch, argmax of the previous model)`` in task t = 1, 2, ... The
    generator learns beside the student, by the same rule, from the new batch and from what its own earlier self made;
    no sample is kept. Over the classes seen so far; in a task stream every earlier head learns its own label of each
    generated sample, and the mean over these heads is taken.

    Paper: Shin, Lee, Kim, Kim 2017, "Continual learning with deep generative replay", arXiv 1705.08690, sections 3.1
    and 3.2, whose generator is a GAN and whose ratio r of new samples is a choice; the autoencoder, r = 1/t and the
    labels in a task stream are those of the code of van de Ven et al. (2022, doi:10.1038/s42256-022-00568-3).

    Args:
        generator: what makes the samples; ``vae`` with its defaults if null.
        generator_batch: samples that it makes a step, at least 1; as many as the new batch if null.
        task_loss: over which classes the cross-entropy of the new batch is taken: ``all`` columns, those ``seen`` so
            far, or the ``new``.
    """
    replayed = TaskRatio()
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=Complement(of=replayed),
        terms={"replay": Recall(Snapshot(), weight=replayed)},
        generator=generator if generator is not None else Vae(),
        generator_batch=generator_batch,
    )
