"""Latent replay of generated features."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.generator.base import Generator
from lifelong_kd.generator.latent import LatentReplay
from lifelong_kd.phase.freeze import Freeze
from lifelong_kd.schedule.ratio import Complement, TaskRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.recall import Recall
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["latent_replay"]


def latent_replay(
    *,
    at: str = "features",
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    temperature: float | None = 2.0,
    freeze: bool = True,
    task_loss: Classes = "all",
) -> Strategy:
    """Latent replay: what is generated are outputs of a stage inside the student, and the stages below stay.

    ``L = 1/t CE(new batch) + (1 - 1/t) T^2 KL(teacher^T || student^T)`` on generated outputs of the stage ``at`` in
    task t = 1, 2, ..., both run from there, over the classes seen, of which the teacher gives the new ones probability
    0. From the second task on the stages up to ``at`` are frozen, so that what was learned to be generated stays true.

    Papers: Pellegrini et al. 2020, "Latent Replay for Real-Time Continual Learning", arXiv 1912.01100, which stores the
    activations; van de Ven, Siegelmann, Tolias 2020, doi:10.1038/s41467-020-17866-2, who generate them above a frozen,
    pre-trained part of the network. Here the first task is all that this part learns from: the deeper ``at`` lies, the
    less the later tasks can learn.

    Args:
        at: the stage, such as ``layer1``, or ``features``, the input of the head.
        generator: what learns the outputs of the stage; ``vae`` with a Gaussian likelihood if null.
        generator_batch: samples that it makes a step, at least 1; as many as the new batch if null.
        temperature: T of the soft labels; hard labels of the previous model if null.
        freeze: whether the stages up to ``at`` are frozen after the first task.
        task_loss: over which classes the cross-entropy of the new batch is taken: ``all`` columns, those ``seen`` so
            far, or the ``new``.

    Example:
        strategy: {name: latent_replay, at: layer1, generator: {name: vae, likelihood: gaussian, latent: 32}}
    """
    replayed = TaskRatio()
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=Complement(of=replayed),
        terms={"replay": Recall(Snapshot(), temperature=temperature, weight=replayed)},
        generator=LatentReplay(at=at, inner=generator),
        generator_batch=generator_batch,
        phases=[Freeze(part="backbone", upto=at)] if freeze else [],
    )
