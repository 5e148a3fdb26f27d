"""Encoder-based lifelong learning."""

from __future__ import annotations

from typing import Annotated

from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.codes import Codes
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["ebll"]


def ebll(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] = 0.25,
    code_weight: Annotated[object, Component("schedule")] = 0.01,
    code_size: int = 100,
    reconstruction: float = 1e-6,
    encoder_epochs: int = 50,
    encoder_lr: float = 0.01,
    task_loss: Classes = "all",
) -> Strategy:
    """EBLL: LwF, and features that may move where no autoencoder of an earlier task sees it.

    ``L = CE(new batch) + weight * T^2 KL(teacher^T || student^T) + code_weight * sum_k || sigma(W_k
    f_student) - sigma(W_k f_teacher) ||_2^2`` over the new batch; the divergence is taken for each earlier
    task alone, and the k-th autoencoder, which has learned what task k needs of the features, was trained
    at that task's end.

    Paper: Rannen Triki, Aljundi, Blaschko, Tuytelaars 2017, "Encoder based lifelong learning", arXiv
    1704.01920, section 3. Its cross-entropy of softened outputs with T = 2 carries no T^2: a weight
    of 1 is ``weight`` = 0.25 here. Its code loss has a factor alpha / 2, so that alpha is 2
    ``code_weight``. Code size (100, the paper's), reconstruction (1e-6), 50 epochs and a learning rate of
    0.01 are those of De Lange et al.'s code, which takes the mean over the entries of a code: its alpha of
    1 is ``code_weight`` = 0.01 at 100 entries, and its lambda of 10 is ``weight`` = 2.5. Its reconstruction
    is a mean over the features, too, and 1e-6 times smaller than the task loss either way. Readings: the body
    below the classifier is the whole backbone (the paper cuts behind the convolutions); no warm-up of the
    new head.

    Args:
        temperature: T, softens teacher and student.
        weight: weight of the distillation term: a number, one a task, or a schedule.
        code_weight: weight of the distance between codes.
        code_size: entries of a code, at least 1; at most half as many as features are used.
        reconstruction: weight, in an autoencoder's training, of the distance between features and what it
            restores of them, beside the task loss of the restored ones; at least 0.
        encoder_epochs: epochs in which an autoencoder is trained.
        encoder_lr: learning rate of that, above 0; the optimiser is of the run's kind (AdaDelta in the
            paper).
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, those ``seen`` so far, or
            the ``new``.
    """
    teacher = Snapshot()
    return Strategy(
        task_loss=TaskLoss(task_loss),
        terms={
            "kd": Distill(teacher, Kd(temperature=temperature), weight=weight, over="per_task"),
            "codes": Codes(
                teacher,
                size=code_size,
                reconstruction=reconstruction,
                epochs=encoder_epochs,
                lr=encoder_lr,
                weight=code_weight,
            ),
        },
    )
