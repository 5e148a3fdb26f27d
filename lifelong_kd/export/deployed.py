"""The network as others use it: samples before normalisation in, logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.export.weights import load_network
from lifelong_kd.model.saved import read_metadata

__all__ = ["Deployed", "describe", "load_deployed", "words"]

MOST = 12
"""Names of classes that are listed; the file has them all."""


class Deployed(nn.Module):
    """``logits = network((x - mean) / std)``: the normalisation of the run's stream, then its network.

    ``x`` is (B, *input_shape), the logits are (B, columns).

    Args:
        network: in evaluation mode.
        mean: one value a channel, or ``None`` for no normalisation.
        std: one value a channel.
        dimensions: of a sample.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        dimensions: int = 3,
    ) -> None:
        super().__init__()
        self.network = network
        by_channel = (-1, *[1] * (dimensions - 1))
        self.register_buffer("mean", None if mean is None else torch.tensor(mean).view(by_channel))
        self.register_buffer("std", None if std is None else torch.tensor(std).view(by_channel))

    def forward(self, x: Tensor) -> Tensor:
        if self.mean is not None and self.std is not None:
            x = (x - self.mean) / self.std
        logits: Tensor = self.network(x)
        return logits


def load_deployed(path: Path) -> tuple[Deployed, dict[str, Any]]:
    """The network in a saved model behind its stream's normalisation, and :func:`describe` of it.

    Raises:
        BadCall: if the file is no model of ours, or is one of Avalanche's own networks, which only Avalanche can build.
    """
    network = load_network(path)
    metadata = read_metadata(path)
    about = describe(metadata, network.head.width)
    deployed = Deployed(network, about["mean"], about["std"], dimensions=len(about["input_shape"]))
    return deployed.eval(), about


def describe(metadata: Mapping[str, Any], width: int) -> dict[str, Any]:
    """What an exported network takes and gives, as plain data that goes with its file.

    ``input_shape`` and ``dtype`` of a sample; ``takes`` in words; ``mean`` and ``std`` of the normalisation that is
    part of it; ``columns``, the classes of its logits; ``heads``, the columns of each task label if it has several
    heads; ``corrected_by``, what the run applied to the logits before it predicted, which is not part of it.

    Args:
        metadata: the header of the saved model.
        width: the number of its logits.
    """
    shape, config = metadata["network"], metadata.get("config", {})
    view = shape.get("view")
    heads: dict[str, list[int]] = {}
    if config.get("model", {}).get("head", {}).get("name") == "multihead":
        for classes, label in shape["tasks"]:
            heads.setdefault(str(label), []).extend(classes)
    return {
        "input_shape": list(shape["input_shape"]),
        "dtype": str(view["dtype"]) if view else "float32",
        "takes": _takes(view, str(config.get("stream", {}).get("name"))),
        "mean": view["mean"] if view else None,
        "std": view["std"] if view else None,
        "columns": [str(name) for name in shape.get("columns") or range(width)][:width],
        "heads": heads,
        "corrected_by": list(shape.get("corrected_by", [])),
        "task": metadata["task"],
        "digest": metadata["digest"],
    }


def _takes(view: Mapping[str, Any] | None, stream: str) -> str:
    if view is None:
        return (
            "samples as the run's network saw them: their normalisation is not known here and not part of it"
        )
    if view["pixels"]:
        return "pixels in [0, 1]" + (", which it normalises itself" if view["mean"] is not None else "")
    return f"samples as the stream {stream!r} gives them to its network, text and sound encoded"


def words(about: Mapping[str, Any]) -> list[str]:
    """:func:`describe` in lines for a person."""
    columns = about["columns"]
    names = ", ".join(columns[:MOST]) + (f" and {len(columns) - MOST} more" if len(columns) > MOST else "")
    lines = [
        f"takes x, {about['dtype']} (batch, {', '.join(map(str, about['input_shape']))}): {about['takes']}",
        f"gives logits, float32 (batch, {len(columns)}), the columns being the classes {names}",
    ]
    if about["heads"]:
        labels = "; ".join(f"{label}: {columns}" for label, columns in about["heads"].items())
        lines.append(
            f"of several heads, side by side: only the columns of a sample's own task label ({labels})"
        )
    if about["corrected_by"]:
        lines.append(
            f"the run predicted after {', '.join(about['corrected_by'])}, which is not part of the exported network:"
            " its largest logit need not be what the run predicted"
        )
    return lines
