"""The accuracy matrix as a small picture, drawn in a hundredth of the time that a figure takes."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["draw_matrix"]

# The map cividis (Nunez et al. 2018, doi 10.1371/journal.pone.0199239) at nine steps from 0 to 1, as matplotlib has it.
CIVIDIS = (
    (0, 34, 78),
    (26, 56, 111),
    (67, 78, 108),
    (97, 101, 111),
    (125, 124, 120),
    (155, 148, 118),
    (188, 174, 108),
    (222, 201, 88),
    (254, 232, 56),
)
INK, LIGHT, DIAGONAL = (40, 40, 40), (255, 255, 255), (213, 94, 0)
# Pixels: around the matrix, of a cell, of all cells together, and of what the title needs.
MARGIN, LEAST, MOST, WIDTH, TITLED = 34, 14, 44, 640, 230
# Smaller cells have no room for a number.
NUMBERED = 26


def draw_matrix(R: Sequence[Sequence[float]], path: Path) -> Path:
    """Heat map of R[i][j] in percent, for after each task of a run; returns the path.

    Args:
        R: the accuracy matrix so far, (tasks learned, tasks).
        path: where the PNG goes; written atomically.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows, columns = len(R), len(R[0])
    side = min(MOST, max(LEAST, WIDTH // columns))
    size = (max(MARGIN + side * columns + 8, TITLED), MARGIN + side * rows + 8)
    picture = Image.new("RGB", size, LIGHT)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(12)
    every = -(-20 // side)
    for j in range(0, columns, every):
        draw.text((MARGIN + (j + 0.5) * side, MARGIN - 6), str(j), fill=INK, font=font, anchor="ms")
    for i, row in enumerate(R):
        if i % every == 0:
            draw.text((MARGIN - 6, MARGIN + (i + 0.5) * side), str(i), fill=INK, font=font, anchor="rm")
        for j, value in enumerate(row):
            left, top = MARGIN + j * side, MARGIN + i * side
            outline = DIAGONAL if i == j else None
            draw.rectangle((left, top, left + side - 1, top + side - 1), colour(value), outline, 2)
            if side >= NUMBERED:
                ink = LIGHT if value < 0.6 else INK
                middle = (left + side / 2, top + side / 2)
                draw.text(middle, f"{100 * value:.0f}", fill=ink, font=font, anchor="mm")
    draw.text(
        (2, 2), "test task across, after task down; accuracy, %", fill=INK, font=ImageFont.load_default(10)
    )
    data = io.BytesIO()
    picture.save(data, format="PNG", compress_level=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data.getvalue())
    os.replace(part, path)
    return path


def colour(share: float) -> tuple[int, int, int]:
    """The colour of a share in [0, 1], between the two nearest steps of the map.

    >>> colour(0.0), colour(1.0)
    ((0, 34, 78), (254, 232, 56))
    """
    place = min(max(share, 0.0), 1.0) * (len(CIVIDIS) - 1)
    below = min(int(place), len(CIVIDIS) - 2)
    red, green, blue = (
        round(a + (place - below) * (b - a)) for a, b in zip(CIVIDIS[below], CIVIDIS[below + 1], strict=True)
    )
    return red, green, blue
