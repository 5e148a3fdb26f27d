"""When a teacher's outputs are computed once a task instead of once an epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from avalanche.models import MultiTaskModule
from torch import Tensor

from lifelong_kd.core.types import Batch, Said, Wants
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.teacher.cache import CacheKey, OutputCache
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.training.engine import EngineMixin
from lifelong_kd.training.loader import BatchLoader

__all__ = ["fill_caches"]


def fill_caches(engine: EngineMixin, strategy: Strategy) -> int:
    """Ask every snapshot about the whole training set of the current task, where it would give the same answers again.

    Not where the view of the data is random, where the data are not ours, where the model has a head for each task, or
    where maps are asked for, which are too large to keep.

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
        wants = strategy.asked(teacher)
        if wants.maps or wants.at:
            continue
        if isinstance(teacher, Snapshot) and teacher.module is not None and not teacher.adapts:
            view = f"mean {engine.pipeline.mean} std {engine.pipeline.std}"
            key = CacheKey(digest(teacher.module), _samples(loader), view)
            if teacher.cache is None or teacher.cache.key != key:
                teacher.cache = OutputCache.fill(key, len(loader.data), _asking(teacher, loader, wants))
            teacher.checking = mode == "check"
            filled += 1
    return filled


def _samples(loader: BatchLoader) -> str:
    data = loader.data
    sha = hashlib.sha256()
    for tensor in (data.part_of, data.row, data.targets):
        sha.update(tensor.contiguous().numpy().tobytes())
    return sha.hexdigest()


def _asking(teacher: Snapshot, loader: BatchLoader, wants: Wants) -> Callable[[Tensor], Said]:
    data = loader.data

    def say(index: Tensor) -> Said:
        raw = data.raw(index)
        label = data.labels[index].to(data.device)
        return teacher.ask(Batch(x=loader.view(raw), y=data.targets[index], label=label, raw=raw), wants)

    return say
