"""EEIL: end-to-end incremental learning."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.noise import GradientNoise
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["eeil"]

NOISE = (0.3 / 128) ** 2


def eeil(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 0.25,
    memory: Annotated[object, Component("memory")] = 2000,
    task_loss: Classes = "seen",
    noise: float = NOISE,
    balanced_epochs: int = 30,
    balanced_lr: float = 0.01,
) -> Strategy:
    """EEIL: a softmax of its own for each earlier task, and a fine-tuning on as many samples of every class.

    ``L = CE(new data and exemplars) + weight * sum_{earlier tasks} T^2 KL(teacher^T || student^T)``, each
    over the classes of that task. Then a fine-tuning on balanced exemplars of all classes at a small learning
    rate, in which the network as it was before teaches the classes of every task, the new one's too.

    Paper: Castro et al. 2018, "End-to-End Incremental Learning", arXiv 1807.09536, equations 1 to 3 and
    section 4; T = 2, 2000 herded exemplars, 40 epochs at 0.1 and 30 of fine-tuning from 0.01 on CIFAR-100.
    Its cross-entropy of softened outputs carries no T^2 and has weight 1, which is ``weight`` = 1 / T^2 =
    0.25 here. FACIL's loop over the earlier tasks leaves out one of them and its loss is a binary
    cross-entropy of softmax outputs; neither is done here.

    The paper adds noise of eta = 0.3 and gamma = 0.55 to the gradients. In its code the standard deviation is
    0.3 / (1 + epoch)^0.55, on the gradient summed over a batch of 128, which is a variance of (0.3 / 128)^2 /
    (1 + epoch)^1.1 on the mean. Here the variance is ``noise`` / (1 + step)^0.55, from the same value on: its
    exponent is that of the noise's own paper (arXiv 1511.06807), and it falls from step to step.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation of each earlier task: a number, one a task, or a schedule.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, or those ``seen`` so far.
        noise: variance of the noise on the gradients before the first step; 0 for none.
        balanced_epochs: epochs of the balanced fine-tuning; 0 leaves it out.
        balanced_lr: its learning rate, divided by 10 every 10 epochs.

    Example:
        strategy: {name: eeil, memory: 2000}
    """
    phases = []
    if balanced_epochs:
        fine_tuning = BalancedFineTuning(
            epochs=balanced_epochs,
            lr=balanced_lr,
            milestones=range(10, balanced_epochs, 10),
            temperature=temperature,
            weight=1 / temperature**2,
        )
        phases.append(fine_tuning)
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={"kd": Distill(Snapshot(), Kd(temperature=temperature), weight=weight, over="per_task")},
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        phases=phases,
        noise=GradientNoise(eta=noise, gamma=0.55) if noise else None,
    )
