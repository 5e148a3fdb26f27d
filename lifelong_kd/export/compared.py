"""An exported network beside the one that it was made from, on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.model.multihead import ABSENT

__all__ = ["BATCHES", "Compared", "compare", "examples"]

BATCHES = (1, 7, 64)
"""Sizes of batches that are asked about."""

TOLERANCE = 1e-3
"""Difference, by the largest logit or 1, beyond which an export is thrown away: far above what rounding does."""


@dataclass(frozen=True)
class Compared:
    """``difference``: the largest of any logit; ``agreement``: the share of ``samples`` with the same top class."""

    difference: float
    agreement: float
    samples: int

    def __str__(self) -> str:
        return (
            f"compared on {self.samples} samples: largest difference of a logit {self.difference:.1e},"
            f" the same class in {100 * self.agreement:.1f} %"
        )


def examples(count: int, shape: Sequence[int], dtype: str) -> Tensor:
    """Samples (count, *shape) to ask about: uniform in [0, 1], or 0 and 1 for whole numbers; the same each time."""
    generator = torch.Generator().manual_seed(count)
    kind: torch.dtype = getattr(torch, dtype)
    if kind.is_floating_point:
        return torch.rand(count, *shape, generator=generator).to(kind)
    return torch.randint(0, 2, (count, *shape), generator=generator).to(kind)


def compare(
    ours: Callable[[Tensor], Tensor],
    theirs: Callable[[Tensor], Tensor],
    shape: Sequence[int],
    dtype: str = "float32",
) -> Compared:
    """Ask both about batches of 1, 7 and 64 samples.

    Args:
        ours: the network.
        theirs: what was exported, loaded again.
        shape: of a sample.
        dtype: of a sample, by torch's name.

    Raises:
        RunFailed: if they do not say the same.
    """
    differences, same, scale = [], [], 1.0
    for count in BATCHES:
        x = examples(count, shape, dtype)
        with torch.no_grad():
            one, other = ours(x), theirs(x)
        if one.shape != other.shape:
            raise RunFailed(
                f"the exported network gives {tuple(other.shape)} where the network gives {tuple(one.shape)}"
            )
        # Infinite on both sides is the same.
        apart = torch.where(one == other, 0.0, (one - other).abs())
        differences.append(float(apart.max()) if apart.numel() else 0.0)
        # Columns that no head has are far larger than any logit, and would hide what the others differ by.
        finite = one[one.isfinite() & (one != ABSENT)]
        scale = max(scale, float(finite.abs().max()) if len(finite) else 0.0)
        same.append((one.argmax(dim=1) == other.argmax(dim=1)) if one.shape[1] else torch.ones(count).bool())
    difference, agreed = max(differences), torch.cat(same)
    if not difference <= TOLERANCE * scale:
        raise RunFailed(
            f"the exported network says something else than the network: a logit differs by {difference:.3g}"
        )
    return Compared(difference, float(agreed.double().mean()), len(agreed))
