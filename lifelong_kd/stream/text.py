"""Texts as rows of bytes: what a stream of texts holds, what memories keep of it, and how it is read again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["as_bytes", "as_texts", "longest"]


def as_bytes(texts: Sequence[str], length: int) -> Tensor:
    """Texts as UTF-8, uint8 (texts, length): cut after the last character that fits, then filled with zeros.

    Args:
        texts: any strings; zeros at their end are not told from the filling.
        length: bytes of a row.

    Raises:
        BadCall: if ``length`` is less than 1.

    >>> as_bytes(["ab", "aé"], 2)
    tensor([[97, 98],
            [97,  0]], dtype=torch.uint8)
    """
    if length < 1:
        raise BadCall(f"a text needs at least 1 byte, got a length of {length}")
    rows = [_cut(text.encode("utf-8", "replace"), length).ljust(length, b"\0") for text in texts]
    # A copy: what frombuffer makes of an immutable buffer must not be written to.
    whole = torch.frombuffer(bytearray(b"".join(rows)), dtype=torch.uint8) if rows else torch.empty(0)
    return whole.to(torch.uint8).view(len(rows), length)


def as_texts(raw: Tensor) -> list[str]:
    """The texts that :func:`as_bytes` wrote, as far as they were not cut.

    Args:
        raw: uint8 (texts, length), on any device.

    Raises:
        BadCall: if these are no rows of bytes, or no UTF-8.

    >>> as_texts(as_bytes(["hello", "hé"], 5))
    ['hello', 'hé']
    """
    if raw.dtype != torch.uint8 or raw.dim() != 2:
        raise BadCall(
            f"texts are uint8 of shape (texts, bytes), got {raw.dtype} of shape {tuple(raw.shape)}:"
            " only a stream of texts, such as split_text, has them"
        )
    length = raw.shape[1]
    whole = raw.cpu().contiguous().numpy().tobytes()
    try:
        return [
            whole[start : start + length].rstrip(b"\0").decode()
            for start in range(0, len(whole), max(length, 1))
        ]
    except UnicodeDecodeError as error:
        raise BadCall(
            f"these bytes are no text in UTF-8 ({error.reason}): does the stream hold texts?"
        ) from error


def longest(texts: Sequence[str]) -> int:
    """Bytes of the longest text in UTF-8, at least 1."""
    return max((len(text.encode("utf-8", "replace")) for text in texts), default=1) or 1


def _cut(text: bytes, length: int) -> bytes:
    """At most ``length`` bytes, none of them the beginning of a character whose end is missing."""
    # Bytes that go on with a character are 10xxxxxx.
    while len(text) > length and length > 0 and text[length] & 0xC0 == 0x80:
        length -= 1
    return text[:length]
