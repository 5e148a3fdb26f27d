"""Headings, paragraphs and tables of plain text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

__all__ = ["fill", "heading", "paragraph", "section", "table"]

_CODE = re.compile(r"^(>>>|\.\.\. |    )")
_ITEM = re.compile(r"^(\* |- |\d+\. )")


def heading(text: str, bold: bool) -> str:
    """A line of its own, bold on a terminal."""
    return f"\033[1m{text}\033[0m" if bold else text


def paragraph(text: str, width: int, indent: str = "  ") -> str:
    """Prose wrapped to ``width``; items of a list keep their marks, code its lines.

    >>> print(paragraph("a teacher that says more than the label does", 30))
      a teacher that says more
      than the label does
    """
    lines = text.splitlines()
    if _CODE.match(lines[0]):
        return textwrap.indent(text, indent)
    pieces: list[str] = []
    for line in lines:
        if _ITEM.match(line.strip()) or not pieces:
            pieces.append(line.strip())
        else:
            pieces[-1] += " " + line.strip()
    wrapped = []
    for piece in pieces:
        further = indent + "  " if _ITEM.match(piece) else indent
        wrapped.append(fill(piece, width, indent, further))
    return "\n".join(wrapped)


def fill(text: str, width: int, indent: str, further: str) -> str:
    """``text`` in lines of ``width``, the first after ``indent``, the others after ``further``."""
    # A path or an option is not broken at its hyphens.
    return textwrap.fill(
        text,
        max(width, 30),
        initial_indent=indent,
        subsequent_indent=further,
        break_on_hyphens=False,
        break_long_words=False,
    )


def section(title: str, parts: Iterable[str], bold: bool) -> str:
    """A heading and what is below it; nothing if there is nothing."""
    body = "\n".join(part for part in parts if part)
    return f"{heading(title, bold)}\n{body}" if body else ""


def table(rows: Sequence[tuple[str, str]], width: int) -> str:
    """Two columns, the second wrapped beside the first.

    >>> print(table([("a", "one"), ("long", "two three")], 40))
      a     one
      long  two three
    """
    first = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, text in rows:
        margin = " " * (first + 4)
        filled = fill(text, width, margin, margin)
        lines.append(f"  {name.ljust(first)}  {filled[len(margin) :]}".rstrip())
    return "\n".join(lines)
