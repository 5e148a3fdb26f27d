"""A network out of the file that a run keeps of it: weights, and a header that says how it was built.

Reading the header alone imports neither torch nor safetensors.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import registries

if TYPE_CHECKING:
    from lifelong_kd.model.network import Network

__all__ = ["load_saved", "plain_options", "read_metadata"]


def read_metadata(path: Path) -> dict[str, Any]:
    """What the header of a saved model says of it: task, classes, digest, configuration, scores.

    Raises:
        BadCall: if the file is no safetensors file of ours.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length) if length <= path.stat().st_size else b""
        metadata = json.loads(json.loads(header)["__metadata__"]["lifelong_kd"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCall(f"{path} is damaged, or not a model of lifelong_kd: {error}") from error
    if not isinstance(metadata, dict):
        raise BadCall(f"{path} is damaged: its header holds no mapping")
    return metadata


def plain_options(noun: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a saved model or head as its configuration has them, without the keys of other owners."""
    parameters = inspect.signature(registries[noun].get(settings["name"])).parameters.values()
    own = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    return {name: value for name, value in settings.items() if name in own}


def load_saved(
    path: Path, *, options: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = plain_options
) -> Network:
    """The network after the task that it was saved after, in evaluation mode.

    Args:
        path: a file that ``lifelong-kd export`` wrote, or one of a run's checkpoints.
        options: the options of a noun's component out of its settings in the file.

    Raises:
        BadCall: if the file is damaged or no model of ours, was built by Avalanche, or needs a component that is not
            registered.
    """
    about = read_metadata(path)
    shape = about.get("network")
    if shape is None:
        raise BadCall(
            f"{path} holds a network that Avalanche built for a strategy of its own; only its weights can be read"
        )
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lifelong_kd.model.build import build_network

    model = about["config"]["model"]
    head = model["head"]
    network = build_network(
        tuple(shape["input_shape"]),
        shape["classes"],
        model=(model["name"], options("model", model)),
        head=(head["name"], options("head", head)),
    )
    for classes, label in shape["tasks"]:
        network.grow(classes, label)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        words = " ".join(str(error).split())[:300]
        raise BadCall(f"{path} is damaged, or does not hold the network of its header: {words}") from error
    return network.eval()
