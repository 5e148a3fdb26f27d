from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from lifelong_kd.evaluation.thumbnail import LEAST, MARGIN, MOST, WIDTH, colour, draw_matrix


def test_colours_are_those_of_cividis() -> None:
    theirs = matplotlib.colormaps["cividis"]
    for step in range(9):
        expected = [255 * value for value in theirs(step / 8)[:3]]
        assert colour(step / 8) == pytest.approx(expected, abs=1)
    assert colour(-1.0) == colour(0.0) and colour(2.0) == colour(1.0)


@pytest.mark.parametrize("tasks", [1, 5, 20, 60])
def test_cells_have_the_colour_of_their_accuracy(tmp_path: Path, tasks: int) -> None:
    R = [[(i + j) / (2 * tasks) for j in range(tasks)] for i in range(max(tasks // 2, 1))]
    path = draw_matrix(R, tmp_path / "deep" / "matrix.png")
    side = min(MOST, max(LEAST, WIDTH // tasks))
    with Image.open(path) as picture:
        assert picture.width >= MARGIN + side * tasks and picture.height >= MARGIN + side * len(R)
        for i, j in ((0, tasks - 1), (len(R) - 1, 0)):
            # Inside the frame of the diagonal, off the number in the middle.
            corner = (MARGIN + j * side + 3, MARGIN + i * side + 3)
            assert picture.getpixel(corner) == colour(R[i][j])
    assert [file.name for file in path.parent.iterdir()] == ["matrix.png"]
