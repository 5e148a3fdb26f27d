"""Stripes of six widths."""

from __future__ import annotations

from pathlib import Path

import torch

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore


def stripes(root: Path | None, seeds: Seeds, *, each: int = 20) -> Source:
    """Noisy stripes, 1x8x8, a class for each of six frequencies.

    Args:
        each: training samples of each class; a quarter as many for the test.
    """
    generator = torch.Generator().manual_seed(seeds.derive("stripes"))

    def samples(number: int) -> Samples:
        y = torch.arange(6).repeat_interleave(number)
        wave = torch.sin(torch.arange(8) * (y[:, None] + 1) * 0.4)
        x = wave[:, None, None, :].expand(-1, 1, 8, 8) + 0.2 * torch.randn(
            len(y), 1, 8, 8, generator=generator
        )
        return Samples(TensorStore((x.clamp(-1, 1) * 127 + 127).to(torch.uint8)), y)

    return Source(
        samples(each), samples(max(each // 4, 1)), tuple(f"stripes {number}" for number in range(6))
    )
