"""The fixed part of a configuration: every top-level key, its type, its default and its limits."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lifelong_kd.core.registry import Component

__all__ = ["SECTIONS", "ModelSection", "StreamSection", "TopSection"]

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise ValueError("allowed are auto, cpu, cuda and cuda:N")
    return value


def _run_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", value):
        raise ValueError(
            "a run name is up to 120 letters, digits, '.', '_' and '-', and starts with a letter or digit"
        )
    return value


def _tag(value: str) -> str:
    if not 1 <= len(value) <= 64:
        raise ValueError("a W&B tag has 1 to 64 characters")
    return value


def _project(value: str) -> str:
    if not re.fullmatch(r"[^/\\#?%:]{1,128}", value):
        raise ValueError("a W&B project is a name of up to 128 characters without / \\ # ? % :")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TopSection(_Section):
    """Keys that stand by themselves.

    Attributes:
        seed: of everything that is drawn: weights, class order, order of samples, augmentation.
        name: of the run, its folder and W&B; ``<stream>-<scenario>-<strategy>-s<seed>`` if null.
        device: ``auto`` is cuda if there is one, else cpu; ``cuda:N`` is the N-th.
        precision: ``bf16`` computes in autocast, weights stay float32.
        imports: Python files that are executed first, so that what they register has a name.
    """

    seed: Natural = 0
    name: Annotated[str, AfterValidator(_run_name)] | None = None
    device: Annotated[str, AfterValidator(_device)] = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    imports: list[str] = []


class Normalisation(_Section):
    """Mean and standard deviation of each channel."""

    mean: list[float]
    std: list[Positive]


class StreamSection(_Section):
    """What every stream takes besides its own options.

    Attributes:
        scenario: what a task brings and what is known: new classes, all told apart (``class``), new classes with the
            task known (``task``), or the same classes as other data (``domain``).
        experiences: number of tasks, or the number of classes of each, or the classes of each; ``groups`` makes a task
            of each group of classes that the data bring.
        class_order: seed of the order in which classes (or groups) come, or the order itself; drawn from ``seed`` if
            null.
        validation: share of each class's training data that is kept out of training; 0 for none. Data that bring
            validation samples of their own have those instead.
        per_class: training samples of each class in each task, drawn from what validation leaves; all if null.
        root: folder of the data; if null ``$LIFELONG_KD_DATA`` or ``~/.cache/lifelong_kd/data``.
        augment: what is done to each training image, in this order, anew each time it is drawn.
        normalize: mean and standard deviation of each channel, for data in [0, 1]; ``auto`` takes those of the first
            task's training data, null does nothing.
        in_memory: whether image files are decoded into memory at once; ``auto`` if they take at most 4 GiB.
    """

    scenario: Literal["class", "task", "domain"] = "class"
    experiences: Count | list[Count] | list[list[Natural]] | Literal["groups"] = 5
    class_order: Natural | list[Natural] | None = None
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    per_class: Count | None = None
    root: str | None = None
    augment: list[Annotated[object, Component("transform")]] = []
    normalize: Literal["auto"] | Normalisation | None = None
    in_memory: Literal["auto"] | bool = "auto"


class ModelSection(_Section):
    """What every model takes besides its own options.

    Attributes:
        head: the classifier behind the features.
        init: a model whose backbone the student begins with, its head being new: a ``.safetensors`` file, a run
            folder (``runs/x`` for its last task, ``runs/x:3`` for task 3), or ``wandb:ENTITY/PROJECT/NAME:TAG``.
        student: other models for later tasks: one from task 1 on, a list with one a task from task 1 on, or a mapping
            from tasks to models. Where the model is another than that before it the student of the task is a new
            network, taught by the old one; null goes on with the one before.
        transfer: weights of the old student that such a new one begins with: the first units of each layer (``slice``),
            those of the largest weights (``norm``), or those that matter most (``importance``); with ``none`` only the
            rows of the head, where both have as many features.
        transfer_layers: which layers feed those of a student with fewer: ``even`` ones, the ``first`` or the ``last``.
    """

    head: Annotated[object, Component("head")] = "linear"
    init: str | None = None
    student: (
        list[Annotated[object, Component("model")] | None]
        | dict[int, Annotated[object, Component("model")]]
        | Annotated[object, Component("model")]
        | None
    ) = None
    transfer: Literal["none", "slice", "norm", "importance"] = "none"
    transfer_layers: Literal["even", "first", "last"] = "even"


class TrainingSection(_Section):
    """How each task is trained; see ``lifelong_kd.training.options``."""

    epochs: Count = 10
    batch_size: Count = 32
    eval_batch_size: Count = 512
    iterations: Count | None = None
    shuffle: bool = True
    drop_last: bool = False
    reset_optimizer: bool = True
    lr_schedule: Literal["constant", "cosine", "steps", "plateau"] = "constant"
    lr_milestones: list[Count] = []
    lr_factor: Positive = 0.1
    lr_patience: Count = 5
    lr_min: Annotated[float, Field(ge=0, lt=1)] = 0.001
    early_stopping: Count | None = None
    grad_clip: Positive | None = None
    compile: bool = False
    channels_last: bool = False
    workers: Natural = 0
    threads: Count | None = None
    matmul: Literal["highest", "high", "medium"] = "highest"
    teacher_cache: Literal["auto", "on", "off", "check"] = "auto"
    checkpoint_every: Count | None = None


class EvaluationSection(_Section):
    """What is measured beside the families of scores, and when; see ``lifelong_kd.training.options``."""

    every: Count | None = None
    before_first: bool = True
    train_samples: Count | None = 2000
    references: Literal["none", "make"] = "none"


class WandbSection(_Section):
    """Weights & Biases.

    Attributes:
        mode: ``auto`` is what ``WANDB_MODE`` says, else online if there is a key, else offline.
        project: the project that the run belongs to.
        entity: user or team that owns it; W&B's default if null.
        group: of runs that are shown together; stream, scenario and strategy if null.
        job_type: kind of run within the group.
        tags: words to find the run by, each of at most 64 characters.
        notes: a text beside the run.
        details: whether W&B also gets the details of every family of scores, ``task/<family>/...``.
        init_timeout: seconds to wait for the server at the start; then the run is logged offline.
        finish_timeout: seconds to wait for the upload at the end; what is not uploaded stays on disk.
    """

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    project: Annotated[str, AfterValidator(_project)] = "lifelong-kd"
    entity: str | None = None
    group: str | None = None
    job_type: str = "train"
    tags: list[Annotated[str, AfterValidator(_tag)]] = []
    notes: str | None = None
    details: bool = False
    init_timeout: Positive = 20.0
    finish_timeout: Positive = 300.0


class TrackingSection(_Section):
    """Where numbers go; the run folder has them in any case.

    Attributes:
        console: ``live`` is a table with a progress bar, ``plain`` a line a task; ``auto`` is live on a terminal.
        log_every: steps between two records of the losses.
        others: further trackers, one's own.
    """

    wandb: WandbSection = WandbSection()
    console: Literal["auto", "live", "plain", "off"] = "auto"
    log_every: Count = 50
    others: list[Annotated[object, Component("tracker")]] = []


SECTIONS: dict[str, type[BaseModel]] = {
    "training": TrainingSection,
    "evaluation": EvaluationSection,
    "tracking": TrackingSection,
}
"""Top-level keys that hold a mapping of fixed keys."""
