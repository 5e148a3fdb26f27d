"""What every pool promises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lifelong_kd.core.types import TaskData
from lifelong_kd.stream.pool import Pool
from lifelong_kd.testing.expect import expect

__all__ = ["check_pool"]


class _Data:
    """Nine coloured images of 8x8 pixels, and four that were left out."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randint(256, (9, 3, 8, 8), generator=generator, dtype=torch.uint8)
        self.more = torch.randint(256, (4, 3, 8, 8), generator=generator, dtype=torch.uint8)
        self.left_out = len(self.more)
        self.targets = torch.arange(9) % 3
        self.labels = torch.zeros(9, dtype=torch.int64)

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def raw_left_out(self, index: Tensor) -> Tensor:
        return self.more[index]

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw.float() / 255

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return self.plain(raw)


def check_pool(make: Callable[[], Pool], data: TaskData | None = None) -> None:
    """Check that a pool gives samples like the stream's, as many as asked for, by its generator alone.

    Args:
        make: makes a fresh pool.
        data: a task's training data; nine images (3, 8, 8), four left out, if ``None``.

    Raises:
        AssertionError: saying which promise is broken.
    """
    data = data if data is not None else _Data()
    like = data.raw(torch.arange(1))
    pool, again = make(), make()
    name = type(pool).__name__
    pool.check(data)
    before = torch.get_rng_state()
    for count in (1, 7, 200):
        drawn = pool.draw(count, torch.Generator().manual_seed(1), data)
        expect(
            drawn.shape == (count, *like.shape[1:]) and drawn.dtype == like.dtype,
            f"{name} gives {drawn.dtype} {tuple(drawn.shape)}, not {like.dtype} {(count, *like.shape[1:])}",
        )
    same = again.draw(200, torch.Generator().manual_seed(1), data)
    expect(torch.equal(drawn, same), f"{name} gives other samples for a generator in the same state")
    generator = torch.Generator().manual_seed(1)
    first, second = pool.draw(50, generator, data), pool.draw(50, generator, data)
    expect(not torch.equal(first, second), f"{name} gives the same samples whatever the generator")
    expect(torch.equal(before, torch.get_rng_state()), f"{name} draws from torch's default generator")
