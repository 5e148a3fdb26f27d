"""Samples kept out of training, on which a correction is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.memory.base import Memory, Samples

__all__ = ["Held"]


class Held:
    """A balanced validation set out of memory and new data, as BiC's (Wu et al. 2019, arXiv 1905.13260, section 4).

    Of each old class ``share`` of its exemplars are held out, at least one; of each new class as many samples as of the
    average old class. Nothing is held out of the first task, nor by a share of 0.

    Args:
        share: in [0, 1).
    """

    def __init__(self, share: float) -> None:
        if not 0 <= share < 1:
            raise BadCall(f"the share of exemplars held out must lie in [0, 1), got {share}")
        self.share = share
        self.samples: Samples | None = None
        self._new: Tensor | None = None
        self._old: Tensor | None = None

    def split(
        self, data: TaskData, task: Task, memory: Memory | None, seeds: Seeds, *, resumed: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Positions of the new data and rows of the memory to train on; the others become :attr:`samples`."""
        everything = torch.arange(len(data.targets))
        rows = torch.arange(len(memory)) if memory is not None and len(memory) else None
        if not self.share or rows is None or memory is None or not task.old:
            self.samples = self._new = self._old = None
            return everything, rows
        if not resumed or self._new is None or self._old is None:
            generator = seeds.generator("held")
            kept = memory.take(rows)["y"].cpu()
            self._old = _some(kept, self.share, None, generator)
            each = max(1, round(len(self._old) / len(kept.unique())))
            self._new = _some(data.targets, 0.0, each, generator)
        old, new = memory.take(self._old), self._new
        raw = data.raw(new)
        self.samples = {
            "raw": torch.cat([raw, old["raw"].to(raw.device)]),
            "y": torch.cat([data.targets[new], old["y"].cpu()]),
            "label": torch.cat([data.labels[new], old["label"].cpu()]),
        }
        return everything[~torch.isin(everything, new)], rows[~torch.isin(rows, self._old)]

    def state_dict(self) -> dict[str, Any]:
        return {"new": self._new, "old": self._old}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._new, self._old = state["new"], state["old"]


def _some(y: Tensor, share: float, each: int | None, generator: torch.Generator) -> Tensor:
    """Positions of ``share`` of the samples of every class, or of ``each`` of them, at random."""
    chosen = []
    for column in y.unique().tolist():
        mine = (y == column).nonzero().squeeze(1)
        count = each if each is not None else max(1, round(share * len(mine)))
        # A class of one sample is trained on rather than held out.
        count = min(count, len(mine) - 1)
        chosen.append(mine[torch.randperm(len(mine), generator=generator)[:count]])
    return torch.cat(chosen).sort().values
