"""What the plots share: figures, atomic saving, ticks and heat maps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lifelong_kd.core.errors import BadCall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NUMBERED", "heat", "named", "new_figure", "save", "set_ticks", "side"]

# Beyond this many rows or columns the numbers in the cells could not be read.
NUMBERED = 25


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches and its axes; without pyplot: no global state, no display, safe in any thread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    return figure, figure.add_subplot()


def save(figure: Figure, path: Path | str) -> Path:
    """Write the figure as PNG, all of it or nothing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    figure.savefig(part, format="png")
    os.replace(part, path)
    return path


def named(names: Sequence[str] | None, count: int) -> list[str]:
    """The names given, or the numbers from 0; a wrong number of names is a ``BadCall``."""
    if names is not None and len(names) != count:
        raise BadCall(f"{len(names)} names were given for {count} rows or columns.")
    return [str(i) for i in range(count)] if names is None else [str(name) for name in names]


def set_ticks(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name rows and columns, not all where there are many, long names slanted."""
    for axis, names in ((axes.yaxis, rows), (axes.xaxis, columns)):
        step = -(-len(names) // NUMBERED)
        axis.set_ticks(range(0, len(names), step), names[::step])
    if max(map(len, columns)) > 3:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")


def heat(
    figure: Figure, axes: Axes, values: NDArray[Any], texts: Sequence[Sequence[str]], label: str
) -> None:
    """Percentages as colours, with a text in each cell in black or white, whichever is read better."""
    image = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="equal")
    figure.colorbar(image, ax=axes, label=label, shrink=0.85)
    if max(values.shape) <= NUMBERED:
        size = 10 if max(values.shape) <= 10 else 8
        for (row, column), value in np.ndenumerate(values):
            colour = "black" if value > 50 else "white"
            axes.text(column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=size)


def side(cells: int) -> float:
    """Inches for so many cells."""
    return 1.2 + (0.55 * cells if cells <= 10 else 0.42 * min(cells, NUMBERED))
