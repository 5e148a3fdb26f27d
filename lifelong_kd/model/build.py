"""A network from the names of its model and head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model import heads, registry
from lifelong_kd.model.head import Head
from lifelong_kd.model.network import Network

__all__ = ["build_network"]


def build_network(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    model: tuple[str, Mapping[str, Any]],
    head: tuple[str, Mapping[str, Any]] = ("linear", {}),
) -> Network:
    """The registered model and, on its features, the registered head, each with its options.

    Initial weights are drawn from torch's default generator, the model's before the head's; the caller seeds it.

    Args:
        input_shape: shape of one sample, without the batch.
        classes: number of columns that the stream will have in the end.
        model: name and options of the model.
        head: name and options of the head.

    Raises:
        BadCall: for an unknown name, an option that does not fit, or a component that breaks its contract.

    >>> build_network((1, 28, 28), 10, model=("mlp", {"hidden": [100]})).head.width
    10
    """
    name, options = model
    backbone = registry.get(name)(tuple(input_shape), **options)
    size = getattr(backbone, "feature_size", None)
    if not isinstance(backbone, nn.Module) or not isinstance(size, int) or size < 1:
        raise BadCall(
            f"model {name!r} must return a torch.nn.Module with an attribute 'feature_size', the number of its"
            f" features (a positive int); found {type(backbone).__name__} with feature_size={size!r}."
        )
    name, options = head
    top = heads.get(name)(size, classes, **options)
    if not isinstance(top, Head):
        raise BadCall(f"head {name!r} must return a lifelong_kd.model.head.Head, found {type(top).__name__}.")
    return Network(backbone, top)
