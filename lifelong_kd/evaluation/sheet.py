"""A sheet of small images in named rows, drawn in a few milliseconds."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["Row", "draw_sheet"]

INK, PAPER, EMPTY = (40, 40, 40), (255, 255, 255), (235, 235, 235)
# Pixels: between images, least and most height of an image, of the names at the left, of the title.
GAP, LEAST, MOST, NAMES, TITLE = 2, 28, 96, 150, 20


@dataclass(frozen=True)
class Row:
    """A name and the images (N, C, H, W) in [0, 1] beside it, with one or three channels."""

    name: str
    images: Tensor


def draw_sheet(rows: Sequence[Row], path: Path, *, columns: int, title: str) -> Path:
    """The rows one below the other, at most ``columns`` images in each; returns the path.

    Small images are enlarged by a whole number, so that their pixels stay what they are.

    Args:
        rows: at least one, images of one size.
        path: where the PNG goes; written atomically.
        columns: places in a row; those without an image stay grey.
        title: what stands above all.

    Raises:
        BadCall: for no row, or images of neither one nor three channels.
    """
    from PIL import Image, ImageDraw, ImageFont

    if not rows:
        raise BadCall("there is no row of images to draw.")
    channels, height, width = rows[0].images.shape[1:]
    if channels not in (1, 3):
        raise BadCall(f"an image has 1 or 3 channels, found {channels}.")
    times = max(1, -(-LEAST // max(height, width)))
    shrink = min(1.0, MOST / max(height, width))
    high, wide = (max(1, round(side * times * shrink)) for side in (height, width))
    font = ImageFont.load_default(11)
    size = (NAMES + columns * (wide + GAP), TITLE + len(rows) * (high + GAP))
    sheet = Image.new("RGB", (max(size[0], int(font.getlength(title)) + 8), size[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, TITLE // 2), title, fill=INK, font=font, anchor="lm")
    for number, row in enumerate(rows):
        top = TITLE + number * (high + GAP)
        draw.text((4, top + high / 2), row.name, fill=INK, font=font, anchor="lm")
        pixels = (row.images[:columns].clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        for place in range(columns):
            left = NAMES + place * (wide + GAP)
            if place >= len(pixels):
                draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=EMPTY)
                continue
            one = pixels[place]
            image = Image.fromarray(one[:, :, 0] if channels == 1 else one)
            how = Image.Resampling.NEAREST if shrink == 1.0 else Image.Resampling.BILINEAR
            sheet.paste(image.resize((wide, high), how), (left, top))
    data = io.BytesIO()
    sheet.save(data, format="PNG", compress_level=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data.getvalue())
    os.replace(part, path)
    return path
