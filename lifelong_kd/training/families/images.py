"""What families that look at images share: which streams have any, and how these are corrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.corruption import CORRUPTIONS

if TYPE_CHECKING:
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.stream.stream import Stream

__all__ = ["check_images", "corrupted_by"]


def check_images(stream: Stream, family: str) -> None:
    """Refuse a stream whose samples are not images in [0, 1] before they are normalised.

    Raises:
        BadCall: if they are not, or if a benchmark of one's own makes them.
    """
    from lifelong_kd.stream.store import TensorStore

    if stream.parts is None:
        raise BadCall(
            f"{family} looks at images before they are normalised, which the benchmark {stream.name!r} does with"
            f" transforms of its own: leave evaluation.{family} out"
        )
    if stream.kind != "samples":
        raise BadCall(
            f"{family} needs images, and stream {stream.name!r} has {stream.kind}: leave evaluation.{family} out"
        )
    if len(stream.input_shape) != 3:
        raise BadCall(
            f"{family} needs images (channels, height, width), but the samples of stream"
            f" {stream.name!r} have shape {stream.input_shape}: leave evaluation.{family} out"
        )
    for part in stream.parts["test"]:
        held = part.store.x if isinstance(part.store, TensorStore) else None
        if held is None or held.dtype == torch.uint8 or not held.numel():
            continue
        if held.min() < 0 or held.max() > 1:
            raise BadCall(
                f"{family} needs images in [0, 1], but those of stream {stream.name!r} reach from"
                f" {float(held.min()):.4g} to {float(held.max()):.4g}: give them unnormalised, and mean and std"
                " to the stream"
            )


def corrupted_by(
    seeds: Seeds, task: int, name: str, severity: int
) -> Callable[[Tensor, torch.Generator], Tensor]:
    """The change that corrupts the images of a test task, with the same draws each time."""

    def change(x: Tensor, generator: torch.Generator) -> Tensor:
        # The severities share their draws: they differ in strength alone.
        batch = generator.initial_seed()
        own_draws = torch.Generator().manual_seed(seeds.derive(f"corruption/{name}/{task}/{batch}"))
        return CORRUPTIONS[name](x, severity, own_draws)

    return change
