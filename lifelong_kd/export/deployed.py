"""The network as others use it: samples before normalisation in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.export.weights import load_network
from lifelong_kd.export.words import describe, words
from lifelong_kd.model.saved import read_metadata

__all__ = ["Deployed", "describe", "load_deployed", "words"]


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
