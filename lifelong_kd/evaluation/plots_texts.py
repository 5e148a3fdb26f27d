"""A sheet of texts with the class of each and what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import save

__all__ = ["plot_texts"]

LONGEST = 90


def plot_texts(examples: Sequence[tuple[str, str, str]], path: Path, *, title: str) -> Path:
    """The texts one below the other, ``class → answer`` behind each; returns the path.

    Args:
        examples: text, class and answer; at least one.
        path: where the PNG goes; written atomically.
        title: what stands above all.

    Raises:
        BadCall: for no example.
    """
    from matplotlib.figure import Figure

    if not examples:
        raise BadCall("there is no example to draw.")
    height = 0.22 * len(examples) + 0.6
    figure = Figure(figsize=(11, height), dpi=120)
    figure.text(0.01, 1 - 0.3 / height, title, fontsize=10)
    for number, (text, true, said) in enumerate(examples):
        y = 1 - (0.6 + 0.22 * number) / height
        # Not read as a formula, whatever signs it has.
        figure.text(0.01, y, _line(text), fontsize=8, parse_math=False)
        figure.text(0.68, y, f"{true} → {said}", fontsize=8, parse_math=False)
    return save(figure, path)


def _line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
