"""A network run from inside: from the output of one of its stages to its logits."""

from __future__ import annotations

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.types import Wants
from lifelong_kd.model.backbone import Backbone
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.hearing import stage_names
from lifelong_kd.model.network import Network
from lifelong_kd.model.taps import Taps

__all__ = ["FEATURES", "entrance", "entrances", "from_inside", "heard_behind", "modules_upto", "output_at"]

FEATURES = "features"
"""The name of the head's input, where every network of ours can be entered."""


def entrances(model: nn.Module) -> tuple[str, ...]:
    """Where a network can be entered, in order: the paths of its backbone's parts, and ``features``.

    Raises:
        BadCall: for a network that has no backbone and head.

    >>> from lifelong_kd.model.build import build_network
    >>> entrances(build_network((1, 8, 8), 2, model=("mlp", {"hidden": [8, 8]})))
    ('backbone.layers.layer1', 'backbone.layers.layer2', 'features')
    """
    network = _network(model)
    parts = network.backbone.parts() if isinstance(network.backbone, Backbone) else {}
    return (*(f"backbone.{path}" for path in parts), FEATURES)


def entrance(model: nn.Module, at: str) -> str:
    """The entrance that ``at`` means: the path itself or the end of one, as a tap is named; or ``features``.

    Raises:
        BadCall: if there is none; it lists those that there are.

    >>> from lifelong_kd.model.build import build_network
    >>> entrance(build_network((1, 8, 8), 2, model=("cnn", {"width": 4})), "stage2")
    'backbone.stages.stage2'
    """
    found = entrances(model)
    for path in found:
        if at == path or path.endswith(f".{at}"):
            return path
    short = [path.rpartition(".")[2] for path in found]
    hint = nearest(at, short)
    raise BadCall(
        f"{type(_network(model).backbone).__name__} cannot be entered at {at!r}."
        + (f" Did you mean {hint!r}?" if hint else "")
        + f" Its stages: {', '.join(short)}."
    )


def from_inside(model: nn.Module, x: Tensor, at: str) -> Tensor:
    """The logits (batch, columns) of samples ``x`` that are outputs of the stage ``at``.

    The stages up to ``at`` do not run: their parameters get no gradient and their BatchNorm statistics stay.

    Args:
        model: a network of a backbone and a head; a compiled one runs uncompiled here.
        x: what that stage gives, sample first.
        at: one of :func:`entrances`, or the end of its path, such as ``layer1``.

    Raises:
        BadCall: for a network or a stage that cannot be entered.
    """
    network, path = _network(model), entrance(model, at)
    backbone = network.backbone
    if path != FEATURES and isinstance(backbone, Backbone):
        parts = backbone.parts()
        names = [f"backbone.{name}" for name in parts]
        for part in list(parts.values())[names.index(path) + 1 :]:
            x = part(x)
        x = backbone.pooled(x)
    logits: Tensor = network.head(x)
    return logits


def output_at(model: nn.Module, x: Tensor, at: str) -> Tensor:
    """What the stage ``at`` gives for inputs ``x``; the features (batch, dimensions) for ``features``.

    Raises:
        BadCall: for a network or a stage that cannot be entered.
    """
    network, path = _network(model), entrance(model, at)
    if path == FEATURES:
        return network.features(x)
    with Taps(network, [path]) as taps:
        network.backbone(x)
        return taps[path]


def heard_behind(model: nn.Module, wants: Wants, at: str) -> Wants:
    """What can be heard of ``wants`` when the network is entered at ``at``: all stages are those that lie behind it.

    Raises:
        BadCall: if a module is wanted by name that is not run, or maps where no stage is left.
    """
    if not (wants.maps or wants.at):
        return wants
    found = entrances(model)
    behind = [path for path in found[found.index(entrance(model, at)) + 1 :] if path != FEATURES]
    run = tuple(f"{path}." for path in (*behind, "head"))
    for name in wants.at:
        paths = [
            path for path, _ in _network(model).named_modules() if path == name or path.endswith(f".{name}")
        ]
        if not any(f"{path}.".startswith(run) for path in paths):
            raise BadCall(
                f"samples replayed at {at!r} do not pass {name!r}: behind lie {', '.join(behind) or 'the head alone'}"
            )
    stages = tuple(name for name in stage_names(model) if f"{name}.".startswith(run)) if wants.maps else ()
    if wants.maps and not stages:
        raise BadCall(
            f"samples replayed at {at!r} pass no stage whose output could be compared; compare logits"
        )
    return Wants(wants.features, False, tuple(dict.fromkeys((*stages, *wants.at))), wants.gradients)


def modules_upto(model: nn.Module, at: str) -> list[nn.Module]:
    """The parts of the backbone up to the stage ``at``, it included; all of it for ``features``.

    Raises:
        BadCall: for a network or a stage that cannot be entered.
    """
    network, path = _network(model), entrance(model, at)
    if path == FEATURES or not isinstance(network.backbone, Backbone):
        return [network.backbone]
    parts = network.backbone.parts()
    names = [f"backbone.{name}" for name in parts]
    return list(parts.values())[: names.index(path) + 1]


def _network(model: nn.Module) -> Network:
    model = unwrapped(model)
    if not isinstance(model, Network):
        raise BadCall(
            f"{type(model).__name__} cannot be run from inside: give a network of lifelong_kd, backbone and head"
        )
    return model
