"""What a family found, as JSON and a checkpoint have it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["plain"]


def plain(value: Any, name: str = "") -> Any:
    """``value`` in Python's own numbers, lists and mappings; a number that is not finite becomes ``None``.

    Numbers and arrays of NumPy and torch become Python's: a checkpoint with them could not be read again.

    Args:
        value: numbers, texts, lists, arrays and mappings of them.
        name: what it is called, for the message.

    Raises:
        TypeError: if anything else is among it.

    >>> plain({"a": (1, float("nan")), 2: True})
    {'a': [1, None], '2': True}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{name}/{key}".lstrip("/")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, name) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(
        f"it found {type(value).__name__} as {name!r}, which is neither a number nor a list or mapping"
    )
