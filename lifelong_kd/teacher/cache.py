"""A teacher's outputs for one task, computed once where every epoch would ask for the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.errors import RunFailed

__all__ = ["CacheKey", "OutputCache"]

AT_ONCE = 2048
"""Samples passed through the teacher at a time while the cache is filled."""

TOLERANCE = 1e-4
"""Largest difference allowed in check mode, by the largest logit: batches of another size round differently."""


@dataclass(frozen=True)
class CacheKey:
    """What the outputs belong to: the teacher's digest, the samples and the view of them that it was shown."""

    teacher: str
    samples: str
    view: str


class OutputCache:
    """Outputs by sample index, valid for one teacher, one set of samples and one reproducible view.

    A snapshot does not change while it teaches, so for a view without randomness its E passes over the data
    of a task can be one. Where the view is random a cached output belongs to a picture the student does not
    see (Beyer et al. 2021, arXiv 2106.05237, section 3), so the training loop does not cache there.

    Args:
        key: what the outputs belong to.
        outputs: shape (samples, columns).
    """

    def __init__(self, key: CacheKey, outputs: Tensor) -> None:
        self.key = key
        self.outputs = outputs
        self.hits = 0

    @classmethod
    @torch.no_grad()
    def fill(cls, key: CacheKey, count: int, say: Callable[[Tensor], Tensor]) -> OutputCache:
        """Ask the teacher, ``say(index) -> outputs``, about samples 0 to ``count - 1``, many at a time."""
        outputs = [say(index) for index in torch.arange(count).split(AT_ONCE)]
        return cls(key, torch.cat(outputs))

    def get(self, index: Tensor) -> Tensor:
        """The outputs of the samples at ``index``."""
        self.hits += len(index)
        return self.outputs[index]

    def check(self, index: Tensor, fresh: Tensor) -> None:
        """Compare with outputs just computed.

        Raises:
            RunFailed: if they differ by more than rounding.
        """
        kept = self.outputs[index]
        difference = float((kept - fresh).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(fresh.abs().max())):
            raise RunFailed(
                f"the cached outputs of teacher {self.key.teacher[:12]} differ from fresh ones by {difference:.3g}:"
                " the view of the data is not the same each time. Run with training.teacher_cache=off."
            )
