"""Numbers, names and tables out of files that may hold anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["class_order", "component", "matrix", "number", "numbers", "versions", "whole"]


# The square of a larger number is none, so that it has no spread; no score comes near it but by diverging.
LARGEST = 1e150


def number(value: object, what: str) -> float | None:
    """A number; ``None`` for none and for one that is not finite, in whatever way that was written, or beyond 1e150.

    Raises:
        ValueError: for anything else, naming ``what``.
    """
    if value is None or value in ("NaN", "Infinity", "-Infinity"):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is {_short(value)}, not a number")
    return float(value) if math.isfinite(value) and abs(value) <= LARGEST else None


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float | None]:
    """Those of ``values`` that are a number or none, each under its name behind ``prefix``."""
    return {
        f"{prefix}{name}": number(value, name)
        for name, value in values.items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }


def whole(value: object, what: str) -> int:
    """An integer.

    Raises:
        ValueError: for anything else, naming ``what``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
        raise ValueError(f"{what} is {_short(value)}, not a whole number")
    return int(value)


def component(value: object, what: str) -> str:
    """The name of a component, which may be written with its options.

    Raises:
        ValueError: if it has none, naming ``what``.

    >>> component({"name": "lwf", "temperature": 2.0}, "strategy")
    'lwf'
    """
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not name:
        raise ValueError(f"{what} is {_short(value)}, which names no component")
    return name


def matrix(rows: object) -> tuple[tuple[float | None, ...], ...]:
    """An accuracy matrix; empty where there is none.

    Raises:
        ValueError: for what is not a list of lists of numbers.
    """
    if rows is None:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError(f"accuracy_matrix is {_short(rows)}, not a list of rows")
    return tuple(tuple(number(value, "accuracy_matrix") for value in row) for row in rows)


def class_order(value: object) -> tuple[int, ...] | None:
    """The order of the classes; ``None`` where it is not known.

    Raises:
        ValueError: for what is not a list of whole numbers.
    """
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f"class_order is {_short(value)}, not a list")
    return tuple(whole(entry, "class_order") for entry in value)


def versions(environment: object) -> dict[str, str | None]:
    """Versions of Python, torch and lifelong_kd and the code's commit, from what ``environment.json`` holds."""
    if not isinstance(environment, Mapping):
        return {}
    packages = environment.get("packages")
    known = {**(packages if isinstance(packages, Mapping) else {}), **environment}
    return {
        name: str(known[name])
        for name in ("python", "torch", "lifelong_kd", "code")
        if known.get(name) is not None
    }


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
