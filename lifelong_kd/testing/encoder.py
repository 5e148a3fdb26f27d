"""What every encoder of texts promises."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lifelong_kd.stream.encode.base import Encoder
from lifelong_kd.testing.expect import expect

__all__ = ["check_encoder"]

FIRST = ("pay my bill", "what is my balance", "pay the balance of my bill", "bill my card")
LATER = ("play some music", "", "what song is this?", "Über 5 € — 你好", "pay " * 200)


def check_encoder(make: Callable[[], Encoder]) -> None:
    """Check shapes, and that a text has the same row whatever stands beside it, also one from a later task or empty.

    Args:
        make: makes a fresh encoder.

    Raises:
        AssertionError: saying which promise is broken.
    """
    encoder, again = make(), make()
    for one in (encoder, again):
        one.fit(FIRST)
    texts = [*FIRST, *LATER]
    rows = encoder.encode(texts)
    expect(rows.dim() == 2 and len(rows) == len(texts), f"{len(texts)} texts became {tuple(rows.shape)}")
    expect(rows.device.type == "cpu", f"rows are on {rows.device}, not on the CPU")
    wanted = torch.float32 if encoder.vocabulary is None else torch.int64
    expect(
        rows.dtype == wanted, f"rows are {rows.dtype}; with vocabulary {encoder.vocabulary} it is {wanted}"
    )
    expect(bool(rows.isfinite().all()), "a row is not finite")
    apart = torch.cat([encoder.encode([text]) for text in texts])
    expect(torch.equal(rows, apart), "a text's row depends on what stands beside it")
    expect(torch.equal(rows, again.encode(texts)), "two encoders fitted to the same texts differ")
    expect(not torch.equal(rows[0], rows[1]), "two texts have the same row")
    if encoder.vocabulary is not None:
        inside = bool((rows >= 0).all() and (rows < encoder.vocabulary).all())
        expect(inside, f"a number is outside 0 to {encoder.vocabulary - 1}")
