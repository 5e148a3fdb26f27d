"""Weighted counts of the words of the first task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.encode.base import Encoder

__all__ = ["Tfidf"]


class Tfidf(Encoder):
    """Counts of words, the rarer the heavier, scaled to length 1 (scikit-learn's ``TfidfVectorizer``).

    Words and their weights are those of the first task's training texts: a word that comes up in a later task is not
    seen, so that ``hashing`` does better where the tasks speak of different things.

    Args:
        size: at most so many words, the most frequent ones.
        ngrams: sequences of up to so many words count as well as single ones.

    Raises:
        BadCall: for less than one word, or if the first task's texts have none.
    """

    def __init__(self, *, size: int = 2048, ngrams: int = 1) -> None:
        if size < 1 or ngrams < 1:
            raise BadCall(f"size and ngrams must be at least 1, got size={size}, ngrams={ngrams}")
        self.size = size
        self.ngrams = ngrams
        self._vectorizer: Any = None

    def fit(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(max_features=self.size, ngram_range=(1, self.ngrams))
        try:
            vectorizer.fit(texts)
        except ValueError as error:
            raise BadCall(f"the texts of the first task have no words to count: {error}") from error
        self._vectorizer = vectorizer

    def encode(self, texts: Sequence[str]) -> Tensor:
        if self._vectorizer is None:
            raise BadCall("tfidf has to be fitted to texts before it can encode any")
        return torch.from_numpy(self._vectorizer.transform(texts).toarray()).float()
