"""Momentum knowledge distillation, added to a host."""

from __future__ import annotations

from typing import Annotated, Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.correction.averaged import AveragedWeights
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.schedule.combined import Product
from lifelong_kd.schedule.ratio import Complement, SampleShare
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.replay import replay
from lifelong_kd.strategy.task_loss import Classes
from lifelong_kd.strategy.term import Distill, Term
from lifelong_kd.teacher.ema import Ema

__all__ = ["mkd"]


def mkd(
    *,
    on: Literal["replay", "derpp", "naive"] = "replay",
    weight: Annotated[object, Component("schedule")] = 5.5,
    temperature: float = 4.0,
    decay: float = 0.99,
    share: float = 0.5,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """MKD: a running average of the student teaches it, beside a host, on new and stored samples.

    ``L = L(host) + weight * T^2 KL(average^T || student^T)``, one mean over the new and the memory batch
    and over two views of each, the augmented one and the raw one. Predictions are those of the mean of
    average's and student's weights.

    Paper: Michel, Wang, Xiao, Yamasaki 2024, "Rethinking momentum knowledge distillation in online
    continual learning", arXiv 2309.02870, section 4; T = 4 and an average that takes up alpha = 0.01 of the
    student a step are theirs, and weights of 5.5 to 8 by host and data set. Their code, too, has T^2 and
    the mean over samples: the weight needs no conversion. Readings: their teacher is shown the augmented
    view only while the student sees both; here the two see the same picture each time. Their hosts are
    stepped while the memory holds something; here from the first step.

    Args:
        on: the host: ``replay`` (one mean over new and stored samples), ``derpp`` or ``naive``.
        weight: weight of the distillation: a number, one a task, or a schedule.
        temperature: T, softens average and student.
        decay: share of itself that the average keeps in a step, 1 - alpha in the paper; in [0, 1).
        share: share of the average in the weights that predict, in [0, 1].
        memory: what the host keeps; a number is a reservoir of that many samples. Not used by ``naive``.
        memory_batch: samples drawn a step; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    if on == "naive":
        host = naive(task_loss=task_loss)
    elif on == "replay":
        host = replay(memory=memory, memory_batch=memory_batch, task_loss=task_loss)
    elif on == "derpp":
        host = derpp(memory=memory, memory_batch=memory_batch, task_loss=task_loss)
    else:
        raise BadCall(f"mkd is added to 'replay', 'derpp' or 'naive', not to {on!r}")
    average, knowledge = Ema(decay=decay), Kd(temperature=temperature)
    terms: dict[str, Term] = {
        "momentum": Distill(
            average,
            knowledge,
            weight=Product(of=weight, by=Complement(of=SampleShare())),
            over="all",
            view="both",
        )
    }
    if host.memory is not None:
        terms["momentum_memory"] = Distill(
            average,
            knowledge,
            source="memory",
            weight=Product(of=weight, by=SampleShare()),
            over="all",
            view="both",
        )
    return Strategy(
        task_loss=host.task_loss,
        task_weight=host.task_weight,
        terms={**host.terms, **terms},
        memory=host.memory,
        memory_batch=host.draws.memory_batch,
        corrections=[AveragedWeights(average, share=share)],
    )
