"""DeepInversion: the previous model teaches on samples inverted from itself."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.generator.base import Generator
from lifelong_kd.generator.inversion import DeepInversion
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["deep_inversion"]


def deep_inversion(
    *,
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 1.0,
    task_loss: Classes = "seen",
) -> Strategy:
    """DeepInversion: noise that the previous model takes for old classes takes the place of their data.

    ``L = CE(new batch) + weight * T^2 KL(teacher^T || student^T)`` on the inverted samples, over the classes seen, of
    which the teacher gives the new ones probability 0. Nothing is kept of the data.

    Needs: a student with BatchNorm for samples that are more than noise.

    Paper: Yin et al. 2020, "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", arXiv 1912.08795,
    which adds classes to a network so, on inverted and new samples; Smith et al. 2021, arXiv 2106.09701, find that this
    is not enough in class-incremental streams: 10.9 against 33.7 of ABD on CIFAR-100 in ten tasks.

    Args:
        generator: what makes samples of old classes; ``deep_inversion`` with its defaults if null.
        generator_batch: samples drawn from its bank a step, at least 1; as many as the new batch if null.
        temperature: T, softens teacher and student.
        weight: weight of the distillation: a number, one a task, or a schedule.
        task_loss: over which classes the cross-entropy of the new batch is taken: ``all`` columns, those ``seen`` so
            far, or the ``new``.

    Example:
        strategy: {name: deep_inversion, generator: {name: deep_inversion, iterations: 500}}
    """
    inverted = Distill(
        Snapshot(), Kd(temperature=temperature), source="generated", weight=weight, over="padded"
    )
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"inverted": inverted},
        generator=generator if generator is not None else DeepInversion(),
        generator_batch=generator_batch,
    )
