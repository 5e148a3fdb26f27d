"""A sheet of images with the class of each and what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import save

__all__ = ["Example", "as_picture", "plot_examples"]

COLUMNS = 8


@dataclass(frozen=True)
class Example:
    """An image (C, H, W) in [0, 1] with one or three channels, its class and the answer."""

    image: Tensor
    true: str
    said: str


def as_picture(levels: Tensor) -> Tensor:
    """A log-mel spectrogram (1, bands, frames) as an image in [0, 1]: low bands below, the loudest point white.

    >>> import torch
    >>> as_picture(torch.tensor([[[-80.0, -40.0], [-20.0, 0.0]]]))
    tensor([[[0.7500, 1.0000],
             [0.0000, 0.5000]]])
    """
    quiet, loud = levels.min(), levels.max()
    return ((levels - quiet) / (loud - quiet).clamp_min(1e-6)).flip(1)


def plot_examples(examples: Sequence[Example], path: Path, *, title: str) -> Path:
    """The images in rows of eight, ``class → answer`` above each; returns the path.

    Args:
        examples: at least one.
        path: where the PNG goes; written atomically.
        title: what stands above all.

    Raises:
        BadCall: for no example.
    """
    from matplotlib.figure import Figure

    if not examples:
        raise BadCall("there is no example to draw.")
    columns = min(COLUMNS, len(examples))
    rows = -(-len(examples) // columns)
    figure = Figure(figsize=(max(1.1 * columns, 4.5), 1.35 * rows + 0.5), layout="constrained", dpi=120)
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
    for place in axes:
        place.axis("off")
    for place, example in zip(axes, examples, strict=False):
        pixels = example.image.clamp(0, 1).numpy().transpose(1, 2, 0)
        if pixels.shape[2] == 1:
            place.imshow(pixels[:, :, 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        else:
            place.imshow(pixels[:, :, :3], interpolation="nearest")
        place.set_title(f"{_short(example.true)} → {_short(example.said)}", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def _short(name: str) -> str:
    return name if len(name) <= 9 else f"{name[:8]}…"
