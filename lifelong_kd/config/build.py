"""From a checked configuration to an experiment that can be run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.config.make import make, make_options
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.core.errors import BadCall

if TYPE_CHECKING:
    from lifelong_kd.config.load import Config
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.stream.stream import Stream
    from lifelong_kd.tracking.base import Tracker
    from lifelong_kd.training.experiment import Experiment

__all__ = ["build", "build_strategy", "pick_device", "refuse_several_processes"]


def build(config: Config) -> Experiment:
    """Stream, network, strategy, optimiser and trackers of ``config``, in an experiment.

    Nothing is trained or written, but data may be read and, if the stream allows it, downloaded.

    Raises:
        BadCall: if a component refuses its options, the device is not there, or several processes were started.
        DataMissing: if the stream's data are not there.

    Example:
        >>> experiment = build(load_config("configs/split_digits/lwf.yaml"))  # doctest: +SKIP
        >>> results = experiment.run()  # doctest: +SKIP
    """
    refuse_several_processes()
    settings = config.settings
    device = pick_device(settings["device"])
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.model.build import build_network
    from lifelong_kd.training.experiment import Experiment
    from lifelong_kd.training.options import EvaluationOptions, TrainingOptions

    seeds = Seeds(settings["seed"])
    strategy = build_strategy(config)
    optimizer = _optimizer(settings["optimizer"])
    trackers = _trackers(settings["tracking"])
    stream = _stream(settings["stream"], seeds)
    model, head = settings["model"], settings["model"]["head"]
    training = settings["training"]
    with seeds.default("init"):
        network = build_network(
            stream.input_shape,
            stream.classes,
            model=(model["name"], make_options("model", model)),
            head=(head["name"], make_options("head", head)),
        )
    return Experiment(
        settings=settings,
        name=config.name,
        stream=stream,
        network=network,
        strategy=strategy,
        optimizer=optimizer,
        training=TrainingOptions(**{**training, "lr_milestones": tuple(training["lr_milestones"])}),
        evaluation=EvaluationOptions(**settings["evaluation"]),
        trackers=trackers,
        seeds=seeds,
        device=device,
        precision=settings["precision"],
    )


def build_strategy(config: Config) -> Any:
    """The strategy alone, which needs no data."""
    return make("strategy", config.settings["strategy"])


def refuse_several_processes() -> None:
    """Training by several processes at once would give wrong numbers in silence; it is not built yet.

    Raises:
        BadCall: if a launcher such as ``torchrun`` started more than one process.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size not in ("", "0", "1"):
        raise BadCall(
            f"WORLD_SIZE is {size}: a run uses one process. Start it without a distributed launcher;"
            " `lifelong-kd sweep --jobs N` runs several seeds or settings side by side."
        )


def pick_device(wanted: str) -> str:
    """The device to use: ``auto`` is cuda if there is one, else cpu.

    Raises:
        BadCall: if a device was asked for that is not there.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda" if count else "cpu"
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        if number >= count:
            there = f"cuda:0 to cuda:{count - 1}" if count else "no CUDA device"
            raise BadCall(
                f"device: {wanted} is not available, there is {there}; use device=auto or device=cpu"
            )
    return wanted


def _stream(settings: Mapping[str, Any], seeds: Seeds) -> Stream:
    from lifelong_kd.stream.build import build_stream

    root = Path(settings["root"]).expanduser() if settings["root"] is not None else None
    source = make("stream", settings, root, seeds)
    return build_stream(
        settings["name"],
        source,
        scenario=settings["scenario"],
        experiences=settings["experiences"],
        class_order=settings["class_order"],
        validation=settings["validation"],
        augment=[make("transform", transform) for transform in settings["augment"]],
        normalize=settings["normalize"],
        in_memory=settings["in_memory"],
        seeds=seeds,
    )


def _optimizer(settings: Mapping[str, Any]) -> Callable[..., Any]:
    import torch

    make(
        "optimizer", settings, [torch.nn.Parameter(torch.zeros(1))]
    )  # wrong options show now, not in training
    factory = registry_of("optimizer").get(settings["name"])
    return functools.partial(factory, **make_options("optimizer", settings))


def _trackers(settings: Mapping[str, Any]) -> list[Tracker]:
    named = [
        {"name": "jsonl"},
        {"name": "console", "mode": settings["console"]},
        {"name": "wandb", **settings["wandb"]},
        *settings["others"],
    ]
    return [make("tracker", tracker) for tracker in named]
