"""A stream and an experiment small enough for a check to run them several times in a few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Scenario
from lifelong_kd.model.build import build_network
from lifelong_kd.model.transfer import Transfer
from lifelong_kd.rounds.base import Controller
from lifelong_kd.stream.augment.crop import Crop
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.families.base import Family
from lifelong_kd.training.optimizer import sgd
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions
from lifelong_kd.training.succession import Successors

__all__ = ["small_experiment", "small_stream"]


def small_stream(scenario: Scenario = "class", *, augment: bool = False, validation: float = 0.2) -> Stream:
    """Three tasks of two classes: noisy 4x4 patterns, made from a fixed seed; cropped at random if ``augment``.

    A share of ``validation`` of the training data is kept out of training.
    """
    generator = torch.Generator().manual_seed(0)
    pattern = torch.rand(6, 1, 4, 4, generator=generator)

    def samples(each: int) -> Samples:
        y = torch.arange(6).repeat_interleave(each)
        noise = 0.25 * torch.randn(len(y), 1, 4, 4, generator=generator)
        x = ((pattern[y] + noise).clamp(0, 1) * 255).round().to(torch.uint8)
        return Samples(TensorStore(x), y)

    source = Source(train=samples(30), test=samples(10), class_names=[str(c) for c in range(6)])
    return build_stream(
        "small",
        source,
        scenario=scenario,
        experiences=3,
        class_order=list(range(6)),
        validation=validation,
        augment=[Crop(padding=1)] if augment else [],
        seeds=Seeds(0),
    )


def small_experiment(
    strategy: Any,
    *,
    scenario: Scenario = "class",
    head: str | None = None,
    model: tuple[str, Mapping[str, Any]] | None = None,
    trackers: Any = (),
    dropout: float = 0.1,
    every: int | None = None,
    augment: bool = False,
    validation: float = 0.2,
    controller: Controller | None = None,
    families: Mapping[str, Family] | None = None,
    students: Mapping[int, tuple[str, Mapping[str, Any]]] | None = None,
    transfer: Transfer = "none",
    **training: Any,
) -> Experiment:
    """An experiment on :func:`small_stream` with a small network that has BatchNorm and dropout.

    Args:
        strategy: what is run.
        scenario: how the stream is read.
        head: the network's head; ``multihead`` in a task-incremental stream, ``linear`` otherwise, if not given.
        model: name and options of another backbone than the perceptron.
        trackers: who is told.
        dropout: of the network.
        every: epochs between evaluations inside a task.
        augment: whether training images are cropped at random.
        validation: share of the training data that is kept out of training.
        controller: of the rounds of each task; a single one if ``None``.
        families: further scores.
        students: name and options of the backbones that take the student's place, by task.
        transfer: how those begin with weights of the student before them.
        **training: options of :class:`~lifelong_kd.training.options.TrainingOptions`.
    """
    stream = small_stream(scenario, augment=augment, validation=validation)
    seeds = Seeds(0)
    top: tuple[str, dict[str, Any]] = (head or ("multihead" if scenario == "task" else "linear"), {})
    with seeds.default("init"):
        network = build_network(
            stream.input_shape,
            stream.classes,
            model=model or ("mlp", {"hidden": [16], "batch_norm": True, "dropout": dropout}),
            head=top,
        )
    later, described = {}, {}
    for task, other in (students or {}).items():
        with seeds.default(f"init/student/{task}"):
            later[task] = build_network(stream.input_shape, stream.classes, model=other, head=top)
        described[task] = {"name": other[0], **other[1], "head": {"name": top[0]}}
    options = {"epochs": 2, "batch_size": 16, "checkpoint_every": 1, **training}
    return Experiment(
        settings={"strategy": {"name": "check"}, "stream": {"name": "small"}, "tracking": {"log_every": 5}},
        name="check",
        stream=stream,
        network=network,
        strategy=strategy,
        optimizer=partial(sgd, lr=0.05, momentum=0.9),
        training=TrainingOptions(**options),
        evaluation=EvaluationOptions(every=every),
        trackers=trackers,
        seeds=seeds,
        device="cpu",
        precision="float32",
        controller=controller,
        families=families,
        successors=Successors(later, described, transfer),
        # Drawing would take three times as long as everything else.
        plots=False,
    )
