"""CLS-ER: a stable and a plastic average of the student."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.correction.averaged import AveragedWeights
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory import as_memory
from lifelong_kd.schedule.ratio import Complement, SampleShare
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.choice import Choice
from lifelong_kd.teacher.ema import Ema

__all__ = ["cls_er"]


def cls_er(
    *,
    weight: Annotated[object, Component("schedule")] = 0.1,
    stable_decay: float = 0.999,
    stable_probability: float = 0.7,
    plastic_decay: float = 0.999,
    plastic_probability: float = 0.9,
    memory: Annotated[object, Component("memory")] = 200,
    memory_batch: int | None = None,
    task_loss: Classes = "all",
) -> Strategy:
    """CLS-ER: of two running averages, the one that knows a stored sample better teaches it.

    ``L = CE(new and memory batch) + weight * MSE(student, chosen average)`` on the memory batch, the
    cross-entropy being one mean over both batches and the MSE the mean over samples and columns, both as in
    the authors' code, so the weight needs no conversion. Of each sample the average is chosen that gives its
    true class the larger probability. Predictions are those of the stable average.

    Paper: Arani, Sarfraz, Zonooz 2022, "Learning fast, learning slow: a general continual learning method
    based on complementary learning system", arXiv 2201.12604, algorithm 1; 0.1, 0.999, 0.7
    and 0.9 are the defaults of their code. Their averages stay in training mode, so that BatchNorm uses each
    batch's statistics; ours are asked in evaluation mode, their statistics averaged with the weights.

    Args:
        weight: weight of the distance to the chosen average: a number, one a task, or a schedule.
        stable_decay: share of itself that the stable average keeps in an update, in [0, 1).
        stable_probability: chance of an update of the stable average after a step, in (0, 1].
        plastic_decay: the same of the plastic average.
        plastic_probability: the same of the plastic average, larger than the stable one's.
        memory: what is kept; a number is a reservoir of that many samples.
        memory_batch: samples drawn a step; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    loss = TaskLoss(task_loss)
    stable = Ema(decay=stable_decay, update_probability=stable_probability)
    plastic = Ema(decay=plastic_decay, update_probability=plastic_probability)
    return Strategy(
        task_loss=loss,
        task_weight=Complement(of=SampleShare()),
        terms={
            "replay": Rehearse(loss, weight=SampleShare()),
            "average": Distill(
                Choice(teachers=[stable, plastic]), Mse(), source="memory", weight=weight, over="all"
            ),
        },
        memory=as_memory(memory, "reservoir"),
        memory_batch=memory_batch,
        corrections=[AveragedWeights(stable, share=1.0)],
    )
