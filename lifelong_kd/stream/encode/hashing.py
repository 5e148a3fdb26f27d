"""Signed counts of words, each in a place that its hash says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.encode.base import Encoder

__all__ = ["Hashing"]


class Hashing(Encoder):
    """Signed counts of words or of pieces of words, each in the place that its hash says, scaled to length 1.

    Nothing is fitted: the words of later tasks have their places from the beginning, and now and then share one with
    another word. The hash says as well whether a word counts +1 or -1, so that words that share a place cancel on
    average (Weinberger et al. 2009, arXiv:0902.2206; scikit-learn's ``HashingVectorizer``).

    Args:
        size: places.
        ngrams: sequences of up to so many words count as well as single ones.
        by: ``word``, or ``char``: pieces of 3 to 5 letters inside words, which endings and slips change little;
            ``ngrams`` is not looked at then.

    Raises:
        BadCall: for less than one place or one word.

    >>> Hashing(size=16).encode(["What is my balance?", "?"]).norm(dim=1)
    tensor([1., 0.])
    """

    def __init__(self, *, size: int = 2048, ngrams: int = 1, by: Literal["word", "char"] = "word") -> None:
        if size < 1 or ngrams < 1:
            raise BadCall(f"size and ngrams must be at least 1, got size={size}, ngrams={ngrams}")
        self.size = size
        self.pieces: dict[str, Any] = (
            {"analyzer": "char_wb", "ngram_range": (3, 5)} if by == "char" else {"ngram_range": (1, ngrams)}
        )
        self._vectorizer: Any = None

    def encode(self, texts: Sequence[str]) -> Tensor:
        if self._vectorizer is None:
            from sklearn.feature_extraction.text import HashingVectorizer

            self._vectorizer = HashingVectorizer(n_features=self.size, **self.pieces)
        return torch.from_numpy(self._vectorizer.transform(texts).toarray()).float()
