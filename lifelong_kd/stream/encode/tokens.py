"""Words as numbers, for models that learn a vector for each."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.encode.base import Encoder

__all__ = ["Tokens"]

WORD = re.compile(r"\w+")


class Tokens(Encoder):
    """The words of a text in order, each as a number from 1 to ``vocabulary - 1`` that its hash says; then zeros.

    Words are runs of letters and digits in lower case, the hash is CRC-32. Nothing is fitted: two words share a number
    now and then, and the words of later tasks have theirs from the beginning. For ``embedding_bag`` and
    ``text_transformer``, whose table needs at least ``vocabulary`` rows.

    Args:
        vocabulary: different numbers, that of the filling included.
        length: words of a text; what is beyond is cut off.

    Raises:
        BadCall: for a vocabulary below 2 or a length below 1.

    >>> Tokens(vocabulary=100, length=4).encode(["Pay my bill", "my bill!"])
    tensor([[ 3, 84, 33,  0],
            [84, 33,  0,  0]])
    """

    def __init__(self, *, vocabulary: int = 8192, length: int = 32) -> None:
        if vocabulary < 2 or length < 1:
            raise BadCall(
                f"vocabulary must be at least 2 and length at least 1, got {vocabulary} and {length}"
            )
        self.vocabulary: int = vocabulary
        self.length = length

    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = torch.zeros(len(texts), self.length, dtype=torch.int64)
        for row, text in zip(rows, texts, strict=True):
            numbers = [self._number(word) for word in WORD.findall(text.lower())[: self.length]]
            row[: len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        return rows

    def _number(self, word: str) -> int:
        return 1 + zlib.crc32(word.encode()) % (self.vocabulary - 1)
