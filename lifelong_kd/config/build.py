"""From a checked configuration to an experiment that can be run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.config.evaluation import families_of
from lifelong_kd.config.make import make, make_options
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.config.sections import EvaluationSection
from lifelong_kd.config.start import begin_from, check_start
from lifelong_kd.config.students import build_successors, later_models
from lifelong_kd.core.errors import BadCall, ConfigError, Problem

if TYPE_CHECKING:
    from lifelong_kd.config.load import Config
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.rounds.base import Controller
    from lifelong_kd.stream.stream import Stream
    from lifelong_kd.tracking.base import Tracker
    from lifelong_kd.training.experiment import Experiment

__all__ = ["build", "build_parts", "pick_device", "refuse_several_processes"]


def build(config: Config, *, resume: Path | None = None) -> Experiment:
    """Stream, network, strategy, optimiser and trackers of ``config``, in an experiment.

    Nothing is trained or written, but data may be read and, if the stream allows it, downloaded; so is the model that
    the student starts from.

    Args:
        config: what ``load_config`` returned.
        resume: the folder of the run that will go on. If it has a checkpoint, the student's weights are in that, and
            the model that it started from need not be within reach any more.

    Raises:
        BadCall: if a component refuses its options, the device is not there, or several processes were started.
        DataMissing: if the stream's data are not there.

    Example:
        >>> experiment = build(load_config("configs/split_digits/lwf.yaml"))  # doctest: +SKIP
        >>> results = experiment.run()  # doctest: +SKIP
    """
    from lifelong_kd.config.load import Config

    if not isinstance(config, Config):
        raise BadCall(
            f"build takes what load_config returns, not {type(config).__name__}: build(load_config(...))"
        )
    refuse_several_processes()
    settings = config.settings
    device = pick_device(settings["device"])
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.model.build import build_network
    from lifelong_kd.training.experiment import Experiment
    from lifelong_kd.training.options import EvaluationOptions, TrainingOptions

    seeds = Seeds(settings["seed"])
    strategy, optimizer, augment, trackers, controller, families = build_parts(config, resume)
    stream = _stream(settings["stream"], augment, seeds)
    model, head = settings["model"], settings["model"]["head"]
    training = settings["training"]
    with seeds.default("init"):
        network = build_network(
            stream.input_shape,
            stream.classes,
            model=(model["name"], make_options("model", model)),
            head=(head["name"], make_options("head", head)),
        )
    begin_from(network, model["init"], resume)
    successors = build_successors(model, stream, seeds)
    return Experiment(
        settings=settings,
        name=config.name,
        stream=stream,
        network=network,
        strategy=strategy,
        optimizer=optimizer,
        training=TrainingOptions(**{**training, "lr_milestones": tuple(training["lr_milestones"])}),
        evaluation=EvaluationOptions(
            **{name: settings["evaluation"][name] for name in EvaluationSection.model_fields}
        ),
        trackers=trackers,
        seeds=seeds,
        device=device,
        precision=settings["precision"],
        controller=controller,
        families=families,
        successors=successors,
    )


def build_parts(
    config: Config, resume: Path | None = None
) -> tuple[Any, Callable[..., Any], list[Any], list[Tracker], Any, dict[str, Any]]:
    """Strategy, optimiser, augmentation, trackers, controller and families, which need no data.

    Raises:
        BadCall: with everything that these components refuse.
    """
    settings = config.settings
    refused: list[BadCall] = []
    strategy = _collect(refused, lambda: make("strategy", settings["strategy"], key="strategy"))
    optimizer = _collect(refused, lambda: _optimizer(settings["optimizer"]))
    augment = _collect(refused, lambda: _transforms(settings["stream"]["augment"]))
    trackers = _collect(refused, lambda: _trackers(settings["tracking"]))
    controller = _collect(refused, lambda: make("rounds", settings["rounds"], key="rounds"))
    families = _collect(refused, lambda: families_of(settings["evaluation"]))
    _collect(refused, lambda: check_start(settings["model"]["init"], resume))
    _collect(refused, lambda: later_models(settings["model"]))
    for name, family in (families or {}).items():
        if family.needs_validation and settings["stream"]["validation"] == 0:
            refused.append(
                BadCall(
                    f"evaluation.{name} is measured on validation data, and stream.validation is 0:"
                    " give it a share such as 0.1, or switch it off"
                )
            )
    if strategy is not None and controller is not None:
        _collect(refused, lambda: _check_rounds(strategy, controller, settings))
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise ConfigError(Problem("", str(error)) for error in refused)
    return strategy, optimizer, augment, trackers, controller, families


def _check_rounds(strategy: Any, controller: Controller, settings: Mapping[str, Any]) -> None:
    """Refuse rounds that can do nothing with the strategy, or would be blind.

    Raises:
        BadCall: beginning with the key.
    """
    from lifelong_kd.strategy.base import Strategy

    if isinstance(strategy, Strategy):
        try:
            controller.check({name: strategy.knobs.kind(name) for name in strategy.terms})
        except BadCall as error:
            raise BadCall(f"rounds: {error}") from error
    if "generator" in controller.looks and getattr(strategy, "generator", None) is None:
        raise BadCall(
            f"rounds: {settings['rounds']['name']} looks at a generator, and {settings['strategy']['name']}"
            " has none; take one that has, such as dgr, or another controller"
        )
    if settings["stream"]["validation"] == 0 and (
        controller.looks & {"validation", "generator"} or controller.prunes
    ):
        raise BadCall(
            f"rounds: {settings['rounds']['name']} looks at validation data, and stream.validation is 0;"
            " give it a share such as 0.1"
        )


def _collect(refused: list[BadCall], build_part: Callable[[], Any]) -> Any:
    try:
        return build_part()
    except BadCall as error:
        refused.append(error)
        return None


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


def _transforms(settings: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [
        make("transform", transform, key=f"stream.augment[{index}]")
        for index, transform in enumerate(settings)
    ]


def _stream(settings: Mapping[str, Any], augment: list[Any], seeds: Seeds) -> Stream:
    from lifelong_kd.stream.build import build_stream

    root = Path(settings["root"]).expanduser() if settings["root"] is not None else None
    source = make("stream", settings, root, seeds, key="stream")
    return build_stream(
        settings["name"],
        source,
        scenario=settings["scenario"],
        experiences=settings["experiences"],
        class_order=settings["class_order"],
        validation=settings["validation"],
        per_class=settings["per_class"],
        augment=augment,
        normalize=settings["normalize"],
        in_memory=settings["in_memory"],
        seeds=seeds,
    )


def _optimizer(settings: Mapping[str, Any]) -> Callable[..., Any]:
    import torch

    # Wrong options show now, not in training.
    make("optimizer", settings, [torch.nn.Parameter(torch.zeros(1))], key="optimizer")
    factory = registry_of("optimizer").get(settings["name"])
    return functools.partial(factory, **make_options("optimizer", settings))


def _trackers(settings: Mapping[str, Any]) -> list[Tracker]:
    named = [
        {"name": "jsonl"},
        {"name": "console", "mode": settings["console"]},
        {"name": "wandb", **settings["wandb"]},
        *settings["others"],
    ]
    keys = ["", "tracking.console", "tracking.wandb", *range(len(settings["others"]))]
    return [
        make("tracker", tracker, key=key if isinstance(key, str) else f"tracking.others[{key}]")
        for tracker, key in zip(named, keys, strict=True)
    ]
