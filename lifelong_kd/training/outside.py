"""What lies between a sample and a saved network, and between its logits and a prediction."""

from __future__ import annotations

from typing import Any

import torch

from lifelong_kd.correction.base import Correction
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.stream.stream import Stream

__all__ = ["corrected_by", "view_of"]


def view_of(stream: Stream) -> dict[str, Any] | None:
    """How raw samples become what the network sees, as plain data; ``None`` for a benchmark with transforms of its own.

    ``pixels``: bytes that become values in [0, 1], not texts; then ``mean`` and ``std`` of each channel, ``None``
    without normalisation. ``dtype`` is that of what the network sees.
    """
    if stream.transforms is None or stream.parts is None:
        return None
    raw = stream.parts["train"][0].gather(torch.tensor([0]))
    seen = stream.transforms.eval(raw)
    return {
        "pixels": raw.dtype == torch.uint8 and stream.transforms.encoder is None,
        "mean": None if stream.mean is None else list(stream.mean),
        "std": None if stream.std is None else list(stream.std),
        "dtype": str(seen.dtype).removeprefix("torch."),
    }


def corrected_by(strategy: Strategy) -> list[str]:
    """The corrections that change what is predicted, by class; one that changes the weights is in them already."""
    return [
        type(one).__name__
        for one in strategy.corrections
        if one.ready
        and (type(one).scores is not Correction.scores or type(one).rectify is not Correction.rectify)
    ]
