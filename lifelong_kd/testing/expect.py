"""An assertion that survives ``python -O`` and always says what was expected."""

from __future__ import annotations

__all__ = ["expect"]


def expect(condition: object, message: str) -> None:
    """Raise ``AssertionError(message)`` unless ``condition`` holds."""
    if not condition:
        raise AssertionError(message)
