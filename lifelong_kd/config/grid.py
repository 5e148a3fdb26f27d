"""A grid of overrides: ``strategy=naive,lwf seed=0..4`` and the cells it spans."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lifelong_kd.core.errors import BadCall

__all__ = ["Cell", "parse_grid", "split_values", "with_hash"]


@dataclass(frozen=True)
class Cell:
    """One run of a grid: its folder's ``name``, its ``overrides``, and ``varied``, those the grid goes through."""

    name: str
    overrides: tuple[str, ...]
    varied: tuple[tuple[str, str], ...]


def split_values(text: str) -> list[str]:
    """Values between commas that are in no bracket or quote; ``0..3`` is 0, 1, 2, 3.

    >>> split_values("naive,lwf"), split_values("[400,400],[100]"), split_values("0..2,7")
    (['naive', 'lwf'], ['[400,400]', '[100]'], ['0', '1', '2', '7'])
    """
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += character
    return [value for part in parts for value in _range(part.strip())]


def _range(text: str) -> list[str]:
    ends = re.fullmatch(r"(-?\d+)\.\.(-?\d+)", text)
    if ends is None:
        # A path may have two dots ("../data"), and a text three.
        if (
            re.fullmatch(r"[^/\\\s'\"\[\]{}]*\.\.[^/\\\s'\"\[\]{}]*", text)
            and text != ".."
            and "..." not in text
        ):
            raise BadCall(f"found {text!r}, which is no range: its ends are whole numbers, as in 0..9")
        return [text]
    first, last = int(ends[1]), int(ends[2])
    if last < first:
        raise BadCall(f"the range {text} is empty: write {last}..{first}")
    if last - first >= 10_000:
        raise BadCall(f"the range {text} has {last - first + 1} values; at most 10000 are possible")
    return [str(number) for number in range(first, last + 1)]


def parse_grid(texts: Sequence[str]) -> list[Cell]:
    """The cells of a grid, the last key varying fastest.

    Args:
        texts: ``key=a,b,c``; a key with one value is the same in every cell.

    Raises:
        BadCall: for a text that is no ``key=value``, a key or value given twice, or a missing value.

    >>> [cell.name for cell in parse_grid(["strategy=naive,lwf", "seed=0..1", "training.epochs=3"])]
    ['strategy-naive_seed-0', 'strategy-naive_seed-1', 'strategy-lwf_seed-0', 'strategy-lwf_seed-1']
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not all(key.split(".")):
            raise BadCall(f"found {text!r}, allowed: key=a,b,c such as seed=0..4")
        if key in axes:
            raise BadCall(f"the key {key} is given twice: write {key}=a,b,c")
        try:
            axes[key] = split_values(values)
        except BadCall as error:
            raise BadCall(f"{key}: {error}") from None
        if len(axes[key]) > 1 and "" in axes[key]:
            raise BadCall(f"{text!r}: there is a comma with no value beside it")
        if len(set(axes[key])) < len(axes[key]):
            raise BadCall(f"{text!r}: a value is given twice")
    varied = [key for key, values in axes.items() if len(values) > 1]
    short = {key: _short(key, varied) for key in varied}
    cells = []
    for chosen in itertools.product(*axes.values()):
        pairs = list(zip(axes, chosen, strict=True))
        own = tuple((short[key], value) for key, value in pairs if key in short)
        overrides = tuple(f"{key}={value}" for key, value in pairs)
        cells.append(Cell(_folder_name(own), overrides, tuple((k, v) for k, v in pairs if k in short)))
    return _distinct(cells)


def _short(key: str, varied: Sequence[str]) -> str:
    last = key.rpartition(".")[2]
    alone = sum(other.rpartition(".")[2] == last for other in varied) == 1
    return last if alone else key


def _folder_name(pairs: Sequence[tuple[str, str]]) -> str:
    words = (f"{key}-{value}" for key, value in pairs)
    return "_".join(re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-") for word in words)[:100] or "run"


def with_hash(cell: Cell) -> Cell:
    """The cell under a name with a piece of its overrides' hash."""
    digest = hashlib.sha256(repr(cell.overrides).encode()).hexdigest()[:8]
    return replace(cell, name=f"{cell.name}_{digest}")


def _distinct(cells: list[Cell]) -> list[Cell]:
    """Cells whose names would be the same get a piece of their overrides' hash."""
    count = Counter(cell.name for cell in cells)
    return [cell if count[cell.name] == 1 else with_hash(cell) for cell in cells]
