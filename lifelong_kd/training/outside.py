"""What lies between a sample and a saved network, and between its logits and a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lifelong_kd.correction.base import Correction
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.stream import Stream
from lifelong_kd.stream.transform import Transform

__all__ = ["corrected_by", "view_of"]


def view_of(stream: Stream) -> dict[str, Any] | None:
    """How raw samples become what the network sees, as plain data; ``None`` for a benchmark with transforms of its own.

    ``pixels``: bytes that become values in [0, 1], not texts; then ``mean`` and ``std`` of each channel, ``None``
    without normalisation. ``dtype`` is that of what the network sees. What else stands before the network is there only
    of pixels, and if there is such: ``by_task``, that tasks have views of their own, and ``still``, which transforms
    change what evaluation shows, by name.
    """
    if stream.transforms is None or stream.parts is None:
        return None
    raw = stream.parts["train"][0].gather(torch.tensor([0]))
    seen = stream.transforms.eval(raw)
    pixels = raw.dtype == torch.uint8 and stream.transforms.encoder is None
    return {
        "pixels": pixels,
        "mean": None if stream.mean is None else list(stream.mean),
        "std": None if stream.std is None else list(stream.std),
        "dtype": str(seen.dtype).removeprefix("torch."),
        **(_before(stream.parts, stream.transforms.augment, raw.shape[1:]) if pixels else {}),
    }


def _before(
    parts: Mapping[str, Sequence[Part]], augment: Sequence[Transform], shape: Sequence[int]
) -> dict[str, Any]:
    """The fixed views between pixels and the normalisation."""
    found: dict[str, Any] = {}
    if any(part.view is not None for of_split in parts.values() for part in of_split):
        found["by_task"] = True
    # A sample of the stream may be black, and not show what is done to it.
    x = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    still = []
    for transform in augment:
        shown = transform.still(x)
        if not torch.equal(shown, x):
            still.append(type(transform).__name__.lower())
        x = shown
    return {**found, "still": still} if still else found


def corrected_by(strategy: Strategy) -> list[str]:
    """The corrections that change what is predicted, by class; one that changes the weights is in them already."""
    return [
        type(one).__name__
        for one in strategy.corrections
        if one.ready
        and (type(one).scores is not Correction.scores or type(one).rectify is not Correction.rectify)
    ]
