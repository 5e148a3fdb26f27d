"""The mean of the vectors of a text's words, and a perceptron on it."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone
from lifelong_kd.model.words import text_length

__all__ = ["EmbeddingBag", "embedding_bag"]


def embedding_bag(
    input_shape: tuple[int, ...],
    *,
    vocabulary: int = 8192,
    width: int = 128,
    hidden: list[int] = [128],  # noqa: B006 - it is only read
    dropout: float = 0.0,
) -> EmbeddingBag:
    """Bag of words with learned vectors: the mean of the words' vectors, then hidden layers.

    For texts with ``stream.features=tokens``; the order of the words is not seen (Joulin et al. 2016,
    arXiv:1607.01759). The features have as many entries as the last hidden layer.

    Args:
        vocabulary: rows of the table of vectors; at least the vocabulary of the features.
        width: entries of a word's vector.
        hidden: units of each hidden layer; none of them gives a linear classifier on the mean.
        dropout: probability of dropping a unit behind each hidden layer, in [0, 1).

    Raises:
        BadCall: if the input is no row of word numbers, or an option is out of range.

    >>> embedding_bag((32,), hidden=[64]).feature_size
    64
    """
    text_length("embedding_bag", input_shape)
    if vocabulary < 2 or width < 1 or any(size < 1 for size in hidden):
        raise BadCall(
            "vocabulary must be at least 2, width and hidden sizes at least 1; found"
            f" vocabulary={vocabulary}, width={width}, hidden={list(hidden)}."
        )
    if not 0 <= dropout < 1:
        raise BadCall(f"dropout must lie in [0, 1), found {dropout}.")
    return EmbeddingBag(vocabulary, width, tuple(hidden), dropout)


class EmbeddingBag(Backbone):
    """Word numbers (B, L), 0 for filling, through ``embedding``, ``layer1``, ... to features (B, feature_size)."""

    filling = 0

    def __init__(self, vocabulary: int, width: int, hidden: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=self.filling)
        sizes = (width, *hidden)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (before, after) in enumerate(itertools.pairwise(sizes), start=1):
            parts: list[nn.Module] = [nn.Linear(before, after), nn.ReLU()]
            if dropout:
                parts.append(nn.Dropout(dropout))
            layers[f"layer{number}"] = nn.Sequential(*parts)
        self.layers = nn.Sequential(layers)
        self.feature_size = sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(self.embedding(x.long()))
        return features

    def parts(self) -> Mapping[str, nn.Module]:
        layers = {f"layers.{name}": layer for name, layer in self.layers.named_children()}
        return {"embedding": self.embedding, **layers}
