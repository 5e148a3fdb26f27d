"""Ranges that options of several losses share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["chosen", "not_negative", "positive"]


def positive(name: str, value: float) -> float:
    """``value``, if it is a finite number greater than 0; else an error that names the option."""
    if not 0 < value < math.inf:
        raise BadCall(f"{name} must be greater than 0 and finite, got {value}")
    return value


def not_negative(name: str, value: float) -> float:
    """``value``, if it is a finite number of at least 0; else an error that names the option."""
    if not 0 <= value < math.inf:
        raise BadCall(f"{name} must be at least 0 and finite, got {value}")
    return value


def chosen(name: str, value: str, allowed: Sequence[str]) -> str:
    """``value``, if it is one of ``allowed``; else an error that says the nearest and all of them."""
    if value not in allowed:
        hint = nearest(str(value), allowed)
        suggestion = f" Did you mean {hint!r}?" if hint else ""
        raise BadCall(f"{name} must be one of {', '.join(allowed)}; got {value!r}.{suggestion}")
    return value
