"""The options of an engine, read from ``KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["checked", "pairs"]

_WORDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def pairs(engine: str, texts: Sequence[str]) -> dict[str, str]:
    """Keys and values of ``KEY=VALUE`` texts.

    Raises:
        BadCall: for a text that is none, or a key given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise BadCall(f"--{engine} {text}: allowed is KEY=VALUE")
        if key in found:
            raise BadCall(f"--{engine} {key} is given twice")
        found[key] = value
    return found


def checked(engine: str, options: Mapping[str, str], allowed: Mapping[str, type | None]) -> dict[str, Any]:
    """Options as values of their types; a type of ``None`` takes whatever YAML reads.

    Raises:
        BadCall: for an option that the engine does not have, or a value of another type.

    >>> checked("slurm", {"timeout_min": "60", "partition": "gpu"}, {"timeout_min": int, "partition": str})
    {'timeout_min': 60, 'partition': 'gpu'}
    """
    from lifelong_kd.config.dialect import parse_value

    found: dict[str, Any] = {}
    for key, text in options.items():
        if key not in allowed:
            hint = nearest(key, allowed)
            words = f" Did you mean {hint!r}?" if hint else ""
            raise BadCall(f"--{engine} {key}: there is no such option; allowed: {', '.join(allowed)}.{words}")
        kind = allowed[key]
        value = text if kind is str else parse_value(text)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise BadCall(f"--{engine} {key}: found {text!r}, allowed: {_WORDS[kind]}")
        if kind in (int, float) and value < 0:  # type: ignore[operator]
            raise BadCall(f"--{engine} {key}: found {text!r}, allowed: a number of at least 0")
        found[key] = value
    return found
