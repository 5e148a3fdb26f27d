"""Every plot of a comparison, and the files it goes to."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lifelong_kd.comparison.plots.curves import draw_curves
from lifelong_kd.comparison.plots.intervals import draw_differences, draw_intervals
from lifelong_kd.comparison.plots.look import Look, looks
from lifelong_kd.comparison.plots.matrices import draw_matrices
from lifelong_kd.comparison.plots.ranks import draw_ranks
from lifelong_kd.comparison.plots.scatter import draw_cost, draw_stability
from lifelong_kd.comparison.render.words import percent
from lifelong_kd.comparison.types import Comparison
from lifelong_kd.core.errors import BadCall, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "Picture", "draw", "draw_all"]

FORMATS = ("png", "svg", "pdf")

Draw = Callable[[Comparison, str, dict[str, Look]], "Figure | None"]
PLOTS: dict[str, tuple[Draw, str, str]] = {
    "curves": (
        draw_curves,
        "Accuracy after each task",
        "The average accuracy on the tasks learned so far; bands are the {level} intervals over seeds.",
    ),
    "stability": (
        draw_stability,
        "Stability and plasticity",
        "How much is forgotten against how well each task was learned at first; crosses are the {level} intervals "
        "of the means, dots are seeds.",
    ),
    "intervals": (
        draw_intervals,
        "Scores",
        "Means with their {level} intervals; dots are seeds. Whether two rows differ is seen from the differences "
        "and not from intervals that overlap.",
    ),
    "differences": (
        draw_differences,
        "Differences to the baseline",
        "Each row minus the baseline over the same seeds, with {level} intervals; filled where the paired "
        "test claims a difference after Holm's correction.",
    ),
    "ranks": (
        draw_ranks,
        "Critical difference",
        "Mean ranks over the seeds of this stream, 1 is best; rows that a bar joins are not told apart by the Nemenyi "
        "test (Demšar 2006). It speaks of other seeds, not of other data.",
    ),
    "cost": (
        draw_cost,
        "Accuracy and cost",
        "The average accuracy against what it cost; crosses are the {level} intervals of the means, dots are seeds.",
    ),
    "matrices": (
        draw_matrices,
        "Accuracy matrices",
        "The accuracy on each task (across) after each task (down), averaged over seeds.",
    ),
}


@dataclass(frozen=True)
class Picture:
    """A plot of one place: ``name`` is that of its file, ``caption`` says what is drawn and how to read it."""

    name: str
    place: str
    title: str
    caption: str
    figure: Figure

    def save(self, path: Path) -> Path:
        """Write it in the format that the path's suffix says, all of it or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(self.rendered(path.suffix.removeprefix(".")))
        os.replace(part, path)
        return path

    def rendered(self, kind: str) -> bytes:
        """The picture as a file's content; the same plot gives the same bytes, and its letters stay letters."""
        from matplotlib import rc_context

        content = io.BytesIO()
        dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        with (
            warnings.catch_warnings(),
            rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name, "pdf.fonttype": 42}),
        ):
            # A label may be in any script; a letter that the font lacks is an empty box.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            self.figure.savefig(content, format=kind, metadata=dated)
        return content.getvalue()


def draw(comparison: Comparison) -> tuple[Picture, ...]:
    """Every plot of every place whose data are there."""
    styles = looks(comparison)
    level = percent(comparison.confidence)
    suffixes = _suffixes(comparison.places)
    return tuple(
        Picture(kind + suffixes[place], place, title, caption.format(level=level), figure)
        for place in comparison.places
        for kind, (plot, title, caption) in PLOTS.items()
        if (figure := plot(comparison, place, styles)) is not None
    )


def draw_all(
    comparison: Comparison,
    folder: Path,
    formats: Sequence[str] = ("png",),
    *,
    pictures: Sequence[Picture] | None = None,
) -> dict[str, Path]:
    """Save every plot of every place whose data are there; returns the paths by the files' names.

    Args:
        comparison: what is drawn.
        folder: where the files go, ``curves.png`` or, with several places, ``curves-digits-class.png``.
        formats: of ``png``, ``svg`` and ``pdf``.
        pictures: those of :func:`draw`, if they are there already.

    Raises:
        BadCall: for another format.
    """
    for kind in formats:
        if kind not in FORMATS:
            near = nearest(kind, FORMATS)
            meant = f"; did you mean {near!r}?" if near else ""
            raise BadCall(f"plots: there is no format {kind!r}, only {', '.join(FORMATS)}{meant}")
    saved = {}
    for picture in draw(comparison) if pictures is None else pictures:
        for kind in formats:
            path = picture.save(Path(folder) / f"{picture.name}.{kind}")
            saved[path.name] = path
    return saved


def _suffixes(places: Sequence[str]) -> dict[str, str]:
    """What tells the files of one place from those of another; nothing where there is only one."""
    if len(places) == 1:
        return {places[0]: ""}
    slugs = [re.sub(r"[^a-z0-9_]+", "-", place.lower()).strip("-") or "place" for place in places]
    return {
        place: f"-{slug}" if slugs.count(slug) == 1 else f"-{slug}-{slugs[:number].count(slug) + 1}"
        for number, (place, slug) in enumerate(zip(places, slugs, strict=True))
    }
