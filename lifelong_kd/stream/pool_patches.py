"""Images of the task itself, cut up and put together in another order."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData
from lifelong_kd.stream.pool import Pool

__all__ = ["PatchesPool"]


class PatchesPool(Pool):
    """The task's own images with their square patches in a random order, an order for each: needs nothing from outside.

    Colours and textures stay those of the data, objects go; no label would fit any more. Images are drawn with
    replacement.

    Args:
        patch: side of a patch in pixels; height and width of the images are multiples of it.

    Raises:
        BadCall: if the stream's samples are no images, or cannot be cut so.

    >>> from types import SimpleNamespace
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    >>> task = SimpleNamespace(targets=torch.zeros(1), raw=lambda index: image[index])
    >>> drawn = PatchesPool(patch=2).draw(3, torch.Generator().manual_seed(0), task)
    >>> drawn.shape, drawn.flatten(1).sort().values.unique(dim=0).shape
    (torch.Size([3, 1, 4, 4]), torch.Size([1, 16]))
    """

    def __init__(self, *, patch: int = 4) -> None:
        if patch < 1:
            raise BadCall(f"patch must be at least 1 pixel, got {patch}")
        self.patch = patch

    def check(self, data: TaskData) -> None:
        self._fits(data.raw(torch.tensor([0])))

    def _fits(self, images: Tensor) -> None:
        shape = tuple(images.shape[1:])
        if len(shape) != 3:
            raise BadCall(
                f"patches are cut from images (channels, height, width); the samples have shape {shape}"
            )
        if shape[1] % self.patch or shape[2] % self.patch:
            raise BadCall(
                f"images of {shape[1]}x{shape[2]} pixels cannot be cut into patches of {self.patch}"
            )

    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        images = data.raw(torch.randint(len(data.targets), (count,), generator=generator))
        self._fits(images)
        _, channels, height, width = images.shape
        side, down, across = self.patch, height // self.patch, width // self.patch
        order = torch.rand(count, down * across, generator=generator).argsort(dim=1).to(images.device)
        patches = images.reshape(count, channels, down, side, across, side).permute(0, 2, 4, 1, 3, 5)
        patches = patches.reshape(count, down * across, channels, side, side)
        shuffled = patches[torch.arange(count, device=images.device)[:, None], order]
        grid = shuffled.view(count, down, across, channels, side, side).permute(0, 3, 1, 4, 2, 5)
        return grid.reshape(images.shape)
