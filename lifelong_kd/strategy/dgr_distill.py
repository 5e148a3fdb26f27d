"""Generative replay with distillation."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.generator.base import Generator
from lifelong_kd.generator.vae import Vae
from lifelong_kd.knowledge.options import positive
from lifelong_kd.schedule.ratio import Complement, TaskRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.recall import Recall
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["dgr_distill"]


def dgr_distill(
    *,
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    temperature: float = 2.0,
    task_loss: Classes = "all",
) -> Strategy:
    """DGR+distill: generated samples carry the previous model's whole distribution instead of its label.

    ``L = 1/t CE(new batch) + (1 - 1/t) / T^2 * T^2 KL(teacher^T || student^T)(generated batch)`` in task t = 1, 2, ...
    Over the classes seen so far, to the new of which the previous model gives probability 0; in a task stream for each
    earlier head alone, and the mean over these heads is taken. The generator learns beside the student, by the same
    rule, from the new batch and from what its own earlier self made.

    Paper: van de Ven, Tolias 2018, "Generative replay with feedback connections as a general strategy for continual
    learning", arXiv 1809.10635, section 2; "Three scenarios for continual learning", 2019, arXiv 1904.07734. Their
    cross-entropy of softened outputs carries no T^2, so that ours of weight 1 is divided by it: 1/4 at T = 2.

    Args:
        generator: what makes the samples; ``vae`` with its defaults if null.
        generator_batch: samples that it makes a step, at least 1; as many as the new batch if null.
        temperature: T, softens teacher and student.
        task_loss: over which classes the cross-entropy of the new batch is taken: ``all`` columns, those ``seen`` so
            far, or the ``new``.
    """
    square = positive("temperature", temperature) ** 2
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=Complement(of=TaskRatio()),
        terms={"replay": Recall(Snapshot(), temperature=temperature, weight=TaskRatio(scale=1.0 / square))},
        generator=generator if generator is not None else Vae(),
        generator_batch=generator_batch,
    )
