"""What an encoder promises, and the memory that spares encoding a text anew in every epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.stream.text import as_texts

__all__ = ["Encoder", "Remembered"]


class Encoder(ABC):
    """Turns texts into rows of numbers: the view of a text that the model is given.

    The same text has the same row, whatever stands beside it. An encoder of one's own subclasses this and is registered
    with ``@lifelong_kd.stream.encoders.register(name)``. One that gives word numbers (int64) sets ``vocabulary``, the
    number of different ones, 0 being the filling behind the last word unless ``filling`` says otherwise; ``tokenizer``
    names what they were made with, where a model has to know it.
    """

    vocabulary: int | None = None
    filling: int = 0
    tokenizer: str | None = None

    def fit(self, texts: Sequence[str]) -> None:
        """Learn from the first task's training texts, the only ones there are when the model is built."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Tensor:
        """The rows of these texts, float32 or int64 (texts, size), on the CPU."""


class Remembered:
    """An encoder that keeps the rows of the texts it has met, told apart by their bytes.

    Args:
        encoder: makes the rows.
        limit: bytes that kept rows and their texts may take, but for those of one batch. Beyond, all are dropped: it
            costs time, and changes nothing else.
    """

    def __init__(self, encoder: Encoder, limit: int = 2**28) -> None:
        self.encoder = encoder
        self.limit = limit
        self._place: dict[bytes, int] = {}
        self._rows = torch.empty(0)

    def __call__(self, raw: Tensor) -> Tensor:
        """Rows of the texts ``raw``, uint8 (texts, bytes); on the device of ``raw``."""
        keys = [row.tobytes() for row in raw.cpu().numpy()]
        if self._rows[: len(self._place)].nbytes + len(self._place) * raw.shape[1] > self.limit:
            self._place, self._rows = {}, torch.empty(0)
        unknown = {key: position for position, key in enumerate(keys) if key not in self._place}
        if unknown or not keys:
            self._keep(list(unknown), self.encoder.encode(as_texts(raw[list(unknown.values())])))
        rows = torch.tensor([self._place[key] for key in keys], dtype=torch.int64)
        return self._rows.index_select(0, rows).to(raw.device)

    def _keep(self, keys: list[bytes], rows: Tensor) -> None:
        first = len(self._place)
        end = first + len(keys)
        if end > len(self._rows) or not first:
            # Grown by doubling, so that each row is moved about once; not to more than may be kept.
            most = self.limit // max(rows[:1].nbytes, 1)
            larger = rows.new_empty(max(end, min(max(2 * len(self._rows), 256), most)), rows.shape[1])
            if first:
                larger[:first] = self._rows[:first]
            self._rows = larger
        self._rows[first:end] = rows
        self._place.update(zip(keys, range(first, end), strict=True))
