"""Targets and task labels as Avalanche wants them, without a Python object for every sample and pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from avalanche.benchmarks.utils import DataAttribute
from avalanche.benchmarks.utils.flat_data import ConstantSequence, FlatData, LazyIndices, LazyRange
from torch import Tensor

__all__ = ["Attribute", "Values", "attribute_values", "index_array"]


class Values(Sequence[int]):
    """Integers in one array that read like a list of Python numbers."""

    def __init__(self, values: Tensor) -> None:
        self.array: np.ndarray = values.cpu().numpy()

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Any:
        found = self.array[index]
        return found.tolist() if isinstance(found, np.ndarray) else int(found)

    def __iter__(self) -> Iterator[int]:
        return iter(self.array.tolist())

    def __hash__(self) -> int:
        return id(self)


class Attribute(DataAttribute[int]):
    """Avalanche's attribute, read as a whole in one step instead of element by element."""

    def __iter__(self) -> Iterator[int]:
        values = attribute_values(self)
        return super().__iter__() if values is None else iter(values.tolist())

    def subset(self, indices: Any) -> Attribute:
        return Attribute(self.data.subset(indices), self.name, use_in_getitem=self.use_in_getitem)

    def concat(self, other: DataAttribute[int]) -> Attribute:
        return Attribute(self.data.concat(other.data), self.name, use_in_getitem=self.use_in_getitem)


def attribute_values(attribute: DataAttribute[int]) -> np.ndarray | None:
    """All values of an attribute, int64, or ``None`` if they are held in an unknown way."""
    return _values(attribute.data)


def _values(data: Any) -> np.ndarray | None:
    if isinstance(data, Values):
        return data.array
    if isinstance(data, ConstantSequence):
        return np.full(len(data), int(data[0]) if len(data) else 0, dtype=np.int64)
    if isinstance(data, DataAttribute):
        return _values(data.data)
    if isinstance(data, list):
        return np.asarray(data, dtype=np.int64)
    if not isinstance(data, FlatData):
        return None
    pieces = [_values(piece) for piece in data._datasets]
    if any(piece is None for piece in pieces):
        return None
    whole = np.concatenate([np.empty(0, dtype=np.int64), *(piece for piece in pieces if piece is not None)])
    picked: np.ndarray = whole if data._indices is None else whole[index_array(data._indices)]
    return picked


def index_array(indices: Any) -> np.ndarray:
    """Indices as Avalanche holds them (a list, an array, or lazily) as one int64 array."""
    if isinstance(indices, LazyRange):
        return np.arange(int(indices._start), int(indices._end), dtype=np.int64) + int(indices._offset)
    if isinstance(indices, LazyIndices):
        indices._to_eager()
        indices = indices._eager_list
    array: np.ndarray = np.asarray(indices, dtype=np.int64)
    return array
