"""What models of word numbers share: the check of their input, and which places hold words."""

from __future__ import annotations

from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["masked_mean", "text_length"]


def text_length(model: str, input_shape: tuple[int, ...]) -> int:
    """The number of places of a text, of an input shape (places,).

    Raises:
        BadCall: if the input is no row; ``model`` is named in it.
    """
    if len(input_shape) != 1:
        raise BadCall(
            f"model {model!r} reads word numbers (words of a text,), but the stream's samples have shape"
            f" {tuple(input_shape)}: give it a stream of texts with stream.features=tokens."
        )
    return input_shape[0]


def masked_mean(x: Tensor, words: Tensor) -> Tensor:
    """Mean (B, D) of ``x`` (B, L, D) over the places where ``words`` (B, L) is true; 0 of a text without words."""
    share = words.unsqueeze(2).to(x.dtype)
    return (x * share).sum(dim=1) / share.sum(dim=1).clamp(min=1)
