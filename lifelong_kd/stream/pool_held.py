"""A pool whose samples are held in a store."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData
from lifelong_kd.stream.pool import Pool
from lifelong_kd.stream.store import FileStore, Store, TensorStore

__all__ = ["HeldPool", "in_memory_if_it_fits"]

LIMIT = 4 * 2**30
"""Bytes up to which image files are decoded into memory."""

COMPARED = 32
"""Samples of the task that are looked for in the pool."""


class HeldPool(Pool):
    """Draws with replacement from a store that is opened when the shape of the stream's samples is known."""

    def __init__(self, called: str) -> None:
        self._called = called
        self._store: Store | None = None

    @abstractmethod
    def open(self, like: Tensor) -> Store:
        """The store, for a stream whose raw samples are like ``like``, of shape (1, ...)."""

    def check(self, data: TaskData) -> None:
        self._opened(data)

    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        store = self._opened(data)
        return store.gather(torch.randint(len(store), (count,), generator=generator))

    def _opened(self, data: TaskData) -> Store:
        if self._store is None:
            like = data.raw(torch.arange(min(COMPARED, len(data.targets)))).cpu()
            store = self.open(like[:1])
            self._check_fit(store, like)
            self._check_foreign(store, like)
            self._store = store
        return self._store

    def _check_fit(self, store: Store, like: Tensor) -> None:
        if len(store) == 0:
            raise BadCall(f"{self._called} has no samples")
        shape = tuple(like.shape[1:])
        if store.shape != shape:
            raise BadCall(
                f"the samples of {self._called} have shape {store.shape}, those of the stream {shape}"
            )
        kind = store.x.dtype if isinstance(store, TensorStore) else torch.uint8
        if kind != like.dtype:
            raise BadCall(
                f"the samples of {self._called} are {_words(kind)}, those of the stream {_words(like.dtype)}"
            )

    def _check_foreign(self, store: Store, like: Tensor) -> None:
        """Refuse the stream's own data, which hold the later tasks: a learner that sees them early is not continual."""
        if not isinstance(store, TensorStore):
            return
        flat = store.x.flatten(1)
        found = sum(bool((flat == sample).all(dim=1).any()) for sample in like.flatten(1).to(flat.device))
        # Data sets of photographs share a few with one another.
        if found > len(like) / 2:
            raise BadCall(
                f"{found} of {len(like)} samples of this task are in {self._called}: it is the stream's own data set,"
                " in which the tasks to come are as well. Take data that the learner would have in any order of tasks"
            )


def in_memory_if_it_fits(store: Store) -> Store:
    """Image files decoded into one tensor, unless that would take more than 4 GiB."""
    if not isinstance(store, FileStore):
        return store
    if store.nbytes <= LIMIT:
        return store.decoded()
    store.check_sizes()
    return store


def _words(kind: torch.dtype) -> str:
    return "uint8 (0 to 255)" if kind == torch.uint8 else str(kind).removeprefix("torch.")
