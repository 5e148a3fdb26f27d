"""IL2M: a memory of scores beside the memory of samples."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.correction.il2m import Il2m
from lifelong_kd.memory import as_memory
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import Classes, TaskLoss

__all__ = ["il2m"]


def il2m(
    *,
    memory: Annotated[object, Component("memory")] = 2000,
    task_loss: Classes = "seen",
) -> Strategy:
    """IL2M: fine-tuning with exemplars, old classes' scores rectified by what they were when these were new.

    ``L = CE(new data and exemplars)``. No teacher: a control that shows what a correction does without
    distillation.

    Paper: Belouadah & Popescu 2019, "IL2M: Class Incremental Learning With Dual Memory", ICCV 2019, equation
    1; it has no arXiv number. 2000 herded exemplars are FACIL's for CIFAR-100.

    Args:
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, or those ``seen`` so far.

    Example:
        strategy: {name: il2m, memory: 2000}
    """
    return Strategy(
        task_loss=TaskLoss(task_loss),
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        corrections=[Il2m()],
    )
