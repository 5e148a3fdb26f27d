"""A stream of tasks, as the rest of the project sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from lifelong_kd.core.types import Scenario
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.source import Kind
from lifelong_kd.stream.store import Store, TensorStore
from lifelong_kd.stream.transform import Pipeline

__all__ = ["Stream", "StreamTask"]


@dataclass(frozen=True)
class StreamTask:
    """One task: its place, its task label, the columns of its classes and what these classes are called."""

    index: int
    label: int
    classes: tuple[int, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Stream:
    """Tasks with training, validation and test data, and the Avalanche benchmark made of them.

    ``benchmark`` has ``train_stream``, ``test_stream`` and, unless no validation data were asked for, ``valid_stream``.
    ``class_order`` holds original classes in the order they come (domains, in a stream of domains), ``class_names``
    the name of each column, ``classes`` the number of columns, ``input_shape`` the shape of one sample as the model
    sees it. ``transforms`` and ``parts`` (``"train"``, ``"valid"``, ``"test"``, one part a task) are ``None`` for a
    benchmark that was brought along. ``digest`` tells the stream from another: SHA-256 over shapes, labels, order and
    splits. ``kind`` says what the raw samples are: numbers, texts as bytes, or recordings.
    """

    name: str
    scenario: Scenario
    benchmark: Any
    tasks: tuple[StreamTask, ...]
    class_order: tuple[int, ...]
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    classes: int
    transforms: Pipeline | None
    parts: Mapping[str, tuple[Part, ...]] | None
    digest: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    kind: Kind = "samples"

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def has_validation(self) -> bool:
        """Whether there are validation data."""
        return getattr(self.benchmark, "valid_stream", None) is not None

    def stores(self) -> Iterator[Store]:
        """Every store that holds samples of this stream, each once."""
        seen: set[int] = set()
        for parts in (self.parts or {}).values():
            for part in parts:
                if id(part.store) not in seen:
                    seen.add(id(part.store))
                    yield part.store

    @property
    def nbytes(self) -> int:
        """Bytes of the samples that are held as tensors."""
        return sum(store.nbytes for store in self.stores() if isinstance(store, TensorStore))

    def to(self, device: torch.device | str) -> Stream:
        """Move the samples that are held as tensors to ``device``, in place."""
        for store in self.stores():
            if isinstance(store, TensorStore):
                store.to(device)
        return self
