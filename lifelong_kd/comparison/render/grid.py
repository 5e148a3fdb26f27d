"""Columns of text under headings, drawn with rich."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Line", "draw", "fold", "fold_name", "widths_of"]

# A heading of so many characters stays in one line.
SHORT = 8
# Of the lines that a label goes on in.
INDENT = 2


@dataclass(frozen=True)
class Line:
    """A column: its heading and its cells, which may have several lines; numbers stand to the right."""

    heading: str
    cells: Sequence[str]
    left: bool = False
    bold: Sequence[bool] = field(default=())
    cost: bool = False


def widths_of(lines: Sequence[Line]) -> list[int]:
    """The characters that each column takes; a long heading is folded between its words."""
    from rich.cells import cell_len

    return [
        max(cell_len(part) for text in (*_words(line.heading), *line.cells) for part in text.split("\n"))
        for line in lines
    ]


def _words(heading: str) -> list[str]:
    return [heading] if len(heading) <= SHORT else heading.split()


def draw(lines: Sequence[Line], color: bool) -> str:
    """The columns side by side, headings at the bottom of their row, a rule below them."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = widths_of(lines)
    headings = [
        textwrap.wrap(line.heading, width, break_long_words=False, break_on_hyphens=False)
        for line, width in zip(lines, widths, strict=True)
    ]
    height = max(len(heading) for heading in headings)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="none")
    for line, heading, width in zip(lines, headings, widths, strict=True):
        above = [""] * (height - len(heading))
        table.add_column(
            Text("\n".join([*above, *heading])),
            justify="left" if line.left else "right",
            width=width,
            no_wrap=True,
        )
    for index in range(len(lines[0].cells)):
        cells = [
            Text(line.cells[index], "bold" if color and line.bold and line.bold[index] else "")
            for line in lines
        ]
        table.add_row(*cells)
    drawn = io.StringIO()
    # Its own width: the caller has seen to it that the table fits, and rich must not crush it if it does not.
    Console(
        file=drawn,
        width=sum(widths) + 4 * len(widths),
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        legacy_windows=False,
    ).print(table)
    return "\n".join(line.rstrip() for line in drawn.getvalue().rstrip("\n").split("\n"))


def fold(text: str, width: int) -> str:
    """A paragraph of at most ``width`` characters a line; a path is not broken."""
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def fold_name(name: str, width: int) -> str:
    """A label in lines of at most ``width``: broken between words, if need be after a sign, at worst anywhere.

    >>> print(fold_name("lwf (strategy.temperature=2)", 16))
    lwf (strategy.
      temperature=2)
    """
    lines = [""]
    for word in name.split():
        room = width - (INDENT if len(lines) > 1 or lines[0] else 0)
        # The parts of a word that fits stay together.
        parts = [word] if len(word) <= room else re.findall(r"[^_./=,-]*[_./=,-]+|[^_./=,-]+", word)
        for index, part in enumerate(parts):
            space = " " if index == 0 and lines[-1].strip() else ""
            if len(lines[-1]) + len(space) + len(part) <= width:
                lines[-1] += space + part
                continue
            pieces = textwrap.wrap(part, width - INDENT)
            lines += [" " * INDENT + piece for piece in pieces]
    return "\n".join(
        line if index else line.strip() for index, line in enumerate(lines if lines[0] else lines[1:])
    )
