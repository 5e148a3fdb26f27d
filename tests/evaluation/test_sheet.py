"""Sheets of images in rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.sheet import EMPTY, GAP, MOST, NAMES, TITLE, Row, draw_sheet


def test_each_image_stands_in_its_row_enlarged_by_a_whole_number(tmp_path: Path) -> None:
    first = torch.zeros(2, 1, 8, 8)
    first[1] = 1.0
    first[0, 0, 0, 0] = 0.5
    second = torch.full((5, 1, 8, 8), 0.2)
    rows = [Row("zero", first), Row("one", second)]
    path = draw_sheet(rows, tmp_path / "deep" / "sheet.png", columns=3, title="two")
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]
    with Image.open(path) as sheet:
        side = 32  # four times 8, the first that reaches 28
        assert sheet.size == (NAMES + 3 * (side + GAP), TITLE + 2 * (side + GAP))
        left, top = NAMES, TITLE
        assert [sheet.getpixel((left + x, top)) for x in (0, 3, 4)] == [(128,) * 3, (128,) * 3, (0,) * 3]
        assert sheet.getpixel((left + side + GAP, top)) == (255,) * 3
        assert sheet.getpixel((left + 2 * (side + GAP), top)) == EMPTY  # there is no third one
        below = top + side + GAP
        assert all(sheet.getpixel((left + place * (side + GAP), below)) == (51,) * 3 for place in range(3))


def test_colours_and_large_images(tmp_path: Path) -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 200, 100)
    with Image.open(draw_sheet([Row("red", red)], tmp_path / "a.png", columns=1, title="")) as sheet:
        assert sheet.size == (NAMES + MOST // 2 + GAP, TITLE + MOST + GAP)
        assert sheet.getpixel((NAMES, TITLE)) == (255, 0, 0)


def test_a_row_without_images_and_values_beyond_the_range(tmp_path: Path) -> None:
    rows = [Row("none", torch.zeros(0, 1, 28, 28)), Row("loud", torch.full((1, 1, 28, 28), 1.7))]
    with Image.open(draw_sheet(rows, tmp_path / "a.png", columns=1, title="t")) as sheet:
        assert sheet.getpixel((NAMES, TITLE)) == EMPTY
        assert sheet.getpixel((NAMES, TITLE + 28 + GAP)) == (255,) * 3


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="no row of images"):
        draw_sheet([], tmp_path / "a.png", columns=1, title="")
    with pytest.raises(BadCall, match="1 or 3 channels, found 2"):
        draw_sheet([Row("a", torch.zeros(1, 2, 4, 4))], tmp_path / "a.png", columns=1, title="")
