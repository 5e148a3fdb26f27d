"""A small transformer over the words of a text."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone
from lifelong_kd.model.words import masked_mean, text_length

__all__ = ["TextTransformer", "text_transformer"]


def text_transformer(
    input_shape: tuple[int, ...],
    *,
    vocabulary: int = 8192,
    width: int = 64,
    heads: int = 4,
    blocks: int = 2,
    dropout: float = 0.1,
) -> TextTransformer:
    """Small transformer: vectors of words and places, blocks of self-attention, the mean over the words.

    For texts with ``stream.features=tokens``. The blocks are those of Vaswani et al. 2017 (arXiv:1706.03762) with the
    normalisation before each part (Xiong et al. 2020, arXiv:2002.04745). The features have ``width`` entries.

    Args:
        vocabulary: rows of the table of vectors; at least the vocabulary of the features.
        width: entries of a word's vector.
        heads: of the attention; they share out ``width``.
        blocks: number of blocks.
        dropout: probability of dropping an entry of what a block adds, in [0, 1).

    Raises:
        BadCall: if the input is no row of word numbers, or an option is out of range.

    >>> text_transformer((32,), width=16, heads=2).feature_size
    16
    """
    length = text_length("text_transformer", input_shape)
    if vocabulary < 2 or width < 1 or heads < 1 or blocks < 1:
        raise BadCall(
            "vocabulary must be at least 2, width, heads and blocks at least 1; found"
            f" vocabulary={vocabulary}, width={width}, heads={heads}, blocks={blocks}."
        )
    if width % heads:
        raise BadCall(f"{heads} heads cannot share out a width of {width}: take one that {heads} divides.")
    if not 0 <= dropout < 1:
        raise BadCall(f"dropout must lie in [0, 1), found {dropout}.")
    network = TextTransformer(length, vocabulary, width, heads, blocks, dropout)
    network.reset_parameters()
    return network


class Block(nn.Module):
    """Self-attention and two layers, each added to what came in: (B, L, D) and a mask (B, 1, 1, L) to (B, L, D)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.asks = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.before_layers = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        batch, length, width = x.shape
        asked = self.asks(self.before_attention(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.dropout(self.answer(found.transpose(1, 2).reshape(batch, length, width)))
        result: Tensor = x + self.dropout(self.layers(self.before_layers(x)))
        return result


class TextTransformer(Backbone):
    """Word numbers (B, L), 0 for filling, through ``block1``, ``block2``, ... to features (B, feature_size)."""

    filling = 0

    def __init__(
        self, length: int, vocabulary: int, width: int, heads: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=self.filling)
        self.blocks = nn.ModuleDict(
            OrderedDict((f"block{number}", Block(width, heads, dropout)) for number in range(1, blocks + 1))
        )
        self.norm = nn.LayerNorm(width)
        self.place = nn.Parameter(torch.empty(length, width))
        self.feature_size = width

    def reset_parameters(self) -> None:
        """Vectors of words and places small beside what the blocks add, as the normalisation before them asks for."""
        for table in (self.embedding.weight, self.place):
            nn.init.normal_(table, std=0.02)
        with torch.no_grad():
            self.embedding.weight[self.filling].zero_()

    def forward(self, x: Tensor) -> Tensor:
        numbers = x.long()
        words = numbers != self.filling
        # Every place of a text without words is looked at: a softmax over none would not be finite.
        seen = (words | ~words.any(dim=1, keepdim=True))[:, None, None, :]
        hidden = self.embedding(numbers) + self.place
        for block in self.blocks.values():
            hidden = block(hidden, seen)
        return masked_mean(self.norm(hidden), words)
