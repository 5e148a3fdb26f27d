"""How a run is trained and evaluated, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["EvaluationOptions", "TrainingOptions"]


@dataclass(frozen=True)
class TrainingOptions:
    """How each task is trained.

    Attributes:
        epochs: passes over a task's training data.
        batch_size: new samples a step.
        eval_batch_size: samples a step of evaluation.
        iterations: steps a task instead of epochs, going round the data as often as it takes.
        shuffle: whether each epoch has an order of its own.
        drop_last: whether an incomplete last batch is left out.
        reset_optimizer: whether each task starts with a fresh optimiser state; the learning rate is the same
            anyway.
        lr_schedule: how the learning rate runs within a task: ``constant``, ``cosine`` (half a cosine down to
            0), ``steps``, or ``plateau`` (multiplied by ``lr_factor`` when the validation loss has not fallen
            for ``lr_patience`` epochs).
        lr_milestones: epochs, counted within the task, from which on ``steps`` multiplies it by ``lr_factor``
            once more.
        lr_factor: see ``lr_milestones`` and ``lr_schedule``.
        lr_patience: epochs without a better validation loss after which ``plateau`` lowers the learning rate.
        lr_min: the share of the first learning rate below which ``plateau`` ends the task instead of lowering it
            again.
        early_stopping: epochs without a better validation loss after which a task ends; never if null. Under it,
            and under ``plateau``, a task ends with the weights of its best epoch.
        grad_clip: largest norm of the gradient, or none.
        compile: whether the student's training forward goes through ``torch.compile``.
        channels_last: whether images are laid out channels last.
        workers: processes that decode images, where the data are read from files.
        threads: CPU threads of torch, or torch's own choice.
        matmul: how exactly float32 matrices are multiplied: ``highest`` in float32; ``high`` in TF32 and ``medium`` in
            bfloat16 with float32 sums, where the device has such instructions: several times faster there, and every
            number a little different.
        teacher_cache: whether a snapshot's outputs are computed once a task where its view is reproducible:
            ``auto`` (if a task has more than one epoch), ``on``, ``off``, or ``check`` (compute both and
            compare).
        checkpoint_every: epochs between checkpoints inside a task; at the end of each task there always is
            one.
    """

    epochs: int = 10
    batch_size: int = 32
    eval_batch_size: int = 512
    iterations: int | None = None
    shuffle: bool = True
    drop_last: bool = False
    reset_optimizer: bool = True
    lr_schedule: Literal["constant", "cosine", "steps", "plateau"] = "constant"
    lr_milestones: tuple[int, ...] = ()
    lr_factor: float = 0.1
    lr_patience: int = 5
    lr_min: float = 0.001
    early_stopping: int | None = None
    grad_clip: float | None = None
    compile: bool = False
    channels_last: bool = False
    workers: int = 0
    threads: int | None = None
    matmul: Literal["highest", "high", "medium"] = "highest"
    teacher_cache: Literal["auto", "on", "off", "check"] = "auto"
    checkpoint_every: int | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """What is measured, and when.

    Attributes:
        every: epochs between evaluations of the validation stream inside a task; none if null.
        before_first: whether the untrained model is evaluated, which forward transfer needs.
        train_samples: training samples of a task at most, drawn by the seed, that the training accuracy is measured on;
            all if null.
        references: whether the scores that need a joint and a fresh run beside this one are computed; ``make`` makes
            these runs, or takes those that are there.
    """

    every: int | None = None
    before_first: bool = True
    train_samples: int | None = 2000
    references: Literal["none", "make"] = "none"
