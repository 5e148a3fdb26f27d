"""A teacher's outputs for one task, computed once where every epoch would ask for the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.core.types import Said

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
        outputs: ``logits`` and, where they were asked for, ``features``; the sample is the first dimension.
    """

    def __init__(self, key: CacheKey, outputs: Mapping[str, Tensor]) -> None:
        self.key = key
        self.outputs = dict(outputs)
        self.hits = 0

    @classmethod
    @torch.no_grad()
    def fill(cls, key: CacheKey, count: int, say: Callable[[Tensor], Said]) -> OutputCache:
        """Ask the teacher, ``say(index)``, about samples 0 to ``count - 1``, many at a time."""
        said = [say(index) for index in torch.arange(count).split(AT_ONCE)]
        outputs = {"logits": torch.cat([part.logits for part in said])}
        features = [part.features for part in said if part.features is not None]
        if features:
            outputs["features"] = torch.cat(features)
        return cls(key, outputs)

    def get(self, index: Tensor) -> Said:
        """The outputs of the samples at ``index``."""
        self.hits += len(index)
        return self._kept(index)

    def _kept(self, index: Tensor) -> Said:
        features = self.outputs.get("features")
        return Said(self.outputs["logits"][index], features[index] if features is not None else None)

    def check(self, index: Tensor, fresh: Said) -> None:
        """Compare with outputs just computed.

        Raises:
            RunFailed: if they differ by more than rounding.
        """
        kept = self._kept(index)
        for mine, theirs in ((kept.logits, fresh.logits), (kept.features, fresh.features)):
            if mine is None or theirs is None:
                continue
            difference = float((mine - theirs).abs().max())
            if not difference <= TOLERANCE * max(1.0, float(theirs.abs().max())):
                raise RunFailed(
                    f"the cached outputs of teacher {self.key.teacher[:12]} differ from fresh ones by"
                    f" {difference:.3g}: the view of the data is not the same each time. Run with"
                    " training.teacher_cache=off."
                )
