"""When a teacher's outputs are computed once a task instead of once an epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from avalanche.models import MultiTaskModule
from torch import Tensor

from lifelong_kd.core.types import Batch
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.teacher.cache import CacheKey, OutputCache
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.training.engine import EngineMixin
from lifelong_kd.training.loader import BatchLoader

__all__ = ["fill_caches"]


def fill_caches(engine: EngineMixin, strategy: Strategy) -> int:
    """Ask every snapshot about the whole training set of the current task, where it would give the same answers again.

    Not where the view of the data is random, where the data are not ours, or where the model has a head for each task.

    Returns:
        How many teachers have a cache now.
    """
    loader = engine.dataloader
    mode = engine.options.teacher_cache
    if (
        mode == "off"
        or not isinstance(loader, BatchLoader)
        or engine.pipeline is None
        or engine.pipeline.random
    ):
        return 0
    if isinstance(engine.model, MultiTaskModule):
        return 0
    if mode == "auto" and engine.epochs_of_task() < 2:
        return 0
    filled = 0
    for teacher in strategy.teachers.values():
        if isinstance(teacher, Snapshot) and teacher.module is not None:
            view = f"mean {engine.pipeline.mean} std {engine.pipeline.std}"
            key = CacheKey(digest(teacher.module), _samples(loader), view)
            if teacher.cache is None or teacher.cache.key != key:
                teacher.cache = OutputCache.fill(key, len(loader.data), _asking(teacher, loader))
            teacher.checking = mode == "check"
            filled += 1
    return filled


def _samples(loader: BatchLoader) -> str:
    data = loader.data
    sha = hashlib.sha256()
    for tensor in (data.part_of, data.row, data.targets):
        sha.update(tensor.contiguous().numpy().tobytes())
    return sha.hexdigest()


def _asking(teacher: Snapshot, loader: BatchLoader) -> Callable[[Tensor], Tensor]:
    data = loader.data

    def say(index: Tensor) -> Tensor:
        raw = data.raw(index)
        label = data.labels[index].to(data.device)
        said = teacher.ask(Batch(x=loader.view(raw), y=data.targets[index], label=label, raw=raw))
        if isinstance(said, dict):
            raise TypeError("a model with a head for each task has no single table of outputs")
        return said

    return say
