"""What the names of recordings say: label, speaker, number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lifelong_kd.core.errors import BadCall

__all__ = ["named", "pattern_of"]

FIELD = re.compile(r"\{([^{}]*)\}")


def pattern_of(pattern: str) -> re.Pattern[str]:
    """A pattern such as ``{label}_{speaker}_{index}.wav`` as a regular expression with a group for each field.

    A field is any text without a slash, as short as it can be; a slash stands between folders.

    Raises:
        BadCall: if there is no ``{label}``, or a field is no name or comes twice.

    >>> pattern_of("{label}_{speaker}.wav").fullmatch("7_theo.wav").groupdict()
    {'label': '7', 'speaker': 'theo'}
    """
    fields = FIELD.findall(pattern)
    wrong = [name for name in fields if not name.isidentifier() or fields.count(name) > 1]
    if wrong:
        raise BadCall(f"stream.pattern {pattern!r}: a field is a name, each once; found {{{wrong[0]}}}")
    if "label" not in fields:
        raise BadCall(f"stream.pattern {pattern!r} has no field {{label}}, which says a recording's class")
    pieces = FIELD.split(pattern)
    expression = "".join(
        f"(?P<{piece}>[^/]+?)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)
    )
    # Recorders write .WAV as often as .wav.
    ending = re.escape(".wav")
    if expression.lower().endswith(ending):
        expression = f"{expression[: -len(ending)]}(?i:{ending})"
    return re.compile(expression)


def named(folder: Path, pattern: str) -> list[tuple[Path, Mapping[str, str]]]:
    """All recordings below ``folder`` with what their names say, sorted by path.

    Raises:
        BadCall: if there is none, or one whose path below ``folder`` does not fit ``pattern``.
    """
    expression = pattern_of(pattern)
    found: list[tuple[Path, Mapping[str, str]]] = []
    # Files that begin with a dot are what macOS leaves beside the recordings.
    paths = (path for path in folder.rglob("*") if path.suffix.lower() == ".wav" and path.name[0] != ".")
    for path in sorted(paths):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is None:
            raise BadCall(f"{path} does not fit stream.pattern {pattern!r}")
        found.append((path, match.groupdict()))
    if not found:
        raise BadCall(f"{folder} has no .wav file")
    return found
