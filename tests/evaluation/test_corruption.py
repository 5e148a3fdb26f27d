"""Corruptions: what every one promises, and what each does."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.corruption import CORRUPTIONS, SEVERITIES, jpeg
from lifelong_kd.evaluation.corruption.blur import blur
from lifelong_kd.evaluation.corruption.contrast import contrast
from lifelong_kd.evaluation.corruption.jpeg import QUALITIES
from lifelong_kd.evaluation.corruption.noise import SIGMAS, noise
from lifelong_kd.evaluation.corruption.shift import shift

SHAPES = [(1, 8, 8), (3, 32, 32), (1, 28, 28), (3, 5, 7), (2, 20, 13), (1, 1, 1), (4, 1, 9)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, channels: int, height: int, width: int) -> Tensor:
    """Soft blobs at random places, each channel its own."""
    place = torch.rand(count, channels, 2, generator=seeded(7))
    y = torch.linspace(0, 1, height).view(1, 1, -1, 1)
    x = torch.linspace(0, 1, width).view(1, 1, 1, -1)
    away = (y - place[..., :1, None]) ** 2 + (x - place[..., 1:, None]) ** 2
    return (-12 * away).exp()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_corruption_keeps_shape_range_and_input(name: str, shape: tuple[int, int, int]) -> None:
    x = images(3, *shape)
    before = x.clone()
    for severity in SEVERITIES:
        changed = CORRUPTIONS[name](x, severity, seeded())
        assert changed.shape == x.shape and changed.dtype == x.dtype and changed.device == x.device
        assert changed.isfinite().all() and changed.min() >= 0 and changed.max() <= 1
        assert changed.data_ptr() != x.data_ptr()
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28)], ids=str)
def test_damage_grows_with_the_severity(name: str, shape: tuple[int, int, int]) -> None:
    x = images(64, *shape)
    damage = [float((CORRUPTIONS[name](x, s, seeded()) - x).square().mean()) for s in SEVERITIES]
    assert damage[0] > 0
    for weaker, stronger in pairwise(damage):
        assert stronger > 1.1 * weaker, damage


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_generator_decides_and_torch_is_left_alone(name: str) -> None:
    x = images(8, 1, 8, 8)
    state = torch.get_rng_state()
    first, again, other = (CORRUPTIONS[name](x, 3, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name in ("blur", "jpeg"))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_half_precision_and_double(name: str) -> None:
    x = images(2, 3, 9, 9)
    for dtype, tolerance in ((torch.float64, 1e-5), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)):
        changed = CORRUPTIONS[name](x.to(dtype), 2, seeded())
        assert changed.dtype == dtype
        expected = CORRUPTIONS[name](x.to(dtype).float(), 2, seeded())
        torch.testing.assert_close(changed.float(), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_no_image_at_all(name: str) -> None:
    assert CORRUPTIONS[name](torch.empty(0, 3, 8, 8), 1, seeded()).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_refused(name: str) -> None:
    corrupt, x = CORRUPTIONS[name], images(1, 1, 8, 8)
    for severity in (0, 6, -1, 2.5, True):
        with pytest.raises(BadCall, match=r"is 1, 2, 3, 4 or 5, found"):
            corrupt(x, severity, seeded())  # type: ignore[arg-type]
    with pytest.raises(BadCall, match=r"found torch.float32 of shape \(8, 8\)"):
        corrupt(x[0, 0], 1, seeded())
    with pytest.raises(BadCall, match=r"found torch.uint8"):
        corrupt(x.to(torch.uint8), 1, seeded())
    with pytest.raises(BadCall, match=r"images in \[0, 1\], found -2 to 1"):
        corrupt(torch.tensor([[[[-2.0, 1.0]]]]), 1, seeded())
    with pytest.raises(BadCall, match="found nan"):
        corrupt(torch.tensor([[[[torch.nan, 1.0]]]]), 1, seeded())


def test_the_table_cannot_be_changed() -> None:
    assert list(CORRUPTIONS) == ["noise", "blur", "contrast", "jpeg", "shift"]
    with pytest.raises(TypeError):
        CORRUPTIONS["more"] = noise  # type: ignore[index]


def test_noise_has_its_deviation() -> None:
    grey = torch.full((4, 3, 40, 40), 0.5)
    drawn = noise(grey, 2, seeded()) - grey
    assert float(drawn.std()) == pytest.approx(SIGMAS[1], rel=0.03) and abs(float(drawn.mean())) < 0.005
    # Each image, channel and pixel has a draw of its own.
    assert drawn.unique().numel() > 0.9 * drawn.numel()


def test_blur_spreads_a_point_as_a_gaussian_and_keeps_what_is_even() -> None:
    even = torch.full((1, 2, 8, 8), 0.25)
    torch.testing.assert_close(blur(even, 5, seeded()), even)
    point = torch.zeros(1, 1, 21, 21)
    point[0, 0, 10, 10] = 1
    spread = blur(point, 3, seeded())[0, 0]
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    sigma = 0.3 + 0.03 * 21
    assert float(spread[10, 11] / spread[10, 10]) == pytest.approx(np.exp(-0.5 / sigma**2), rel=1e-4)
    torch.testing.assert_close(spread, spread.T)


def test_blur_mirrors_the_border() -> None:
    # By hand for a row of two pixels: the kernel reaches one pixel, and each side sees the other one twice.
    x = torch.tensor([[[[1.0, 0.0]]]])
    sigma = 0.3 + 0.06
    side = np.exp(-0.5 / sigma**2)
    share = 2 * side / (1 + 2 * side)
    changed = blur(x, 5, seeded())[0, 0, 0]
    assert changed.tolist() == [pytest.approx(1 - share, abs=1e-6), pytest.approx(share, abs=1e-6)]


def test_contrast_by_hand() -> None:
    x = torch.tensor([0.2, 0.6]).view(1, 1, 1, 2).repeat(40, 1, 1, 1)
    changed = contrast(x, 2, seeded())[:, 0, 0]
    # Mean 0.4, 0.6 of the distance kept, then 0.1 lighter or darker.
    darker, lighter = torch.tensor([0.18, 0.42]), torch.tensor([0.38, 0.62])
    is_darker = (changed - darker).abs().amax(1) < 1e-6
    is_lighter = (changed - lighter).abs().amax(1) < 1e-6
    assert (is_darker | is_lighter).all() and 8 < int(is_lighter.sum()) < 32


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [(16, 24), (8, 8), (13, 10)])
def test_grey_jpeg_is_that_of_a_real_encoder(severity: int, size: tuple[int, int]) -> None:
    x = (255 * images(1, 1, *size)[0, 0]).round().to(torch.uint8)
    file = io.BytesIO()
    Image.fromarray(x.numpy()).save(file, "JPEG", quality=QUALITIES[severity - 1])
    theirs = torch.from_numpy(np.asarray(Image.open(file)).copy()).float()
    ours = 255 * jpeg(x[None, None] / 255, severity, seeded())[0, 0]
    # The encoder's cosine transform has integers, and its output is rounded.
    assert float((ours - theirs).abs().mean()) < 1.0 and float((ours - theirs).abs().max()) < 6.0
    assert float((ours - x).abs().mean()) > 2 * float((ours - theirs).abs().mean())


def test_coloured_jpeg_is_that_of_a_real_encoder() -> None:
    x = (255 * images(1, 3, 16, 24)[0]).round().to(torch.uint8)
    file = io.BytesIO()
    Image.fromarray(x.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=QUALITIES[2], subsampling=0)
    theirs = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1).float()
    ours = 255 * jpeg(x[None] / 255, 3, seeded())[0]
    assert float((ours - theirs).abs().mean()) < 1.5


def test_jpeg_of_an_even_image_moves_it_by_a_rounding_only() -> None:
    for channels in (1, 2, 3):
        even = torch.full((1, channels, 10, 10), 128 / 255)
        torch.testing.assert_close(jpeg(even, 5, seeded()), even, atol=1e-5, rtol=0)


def test_shift_moves_by_its_share_in_all_directions() -> None:
    # A blob in the middle: turning leaves its centre.
    x = torch.zeros(64, 1, 41, 41)
    x[:, :, 18:23, 18:23] = 1
    changed = shift(x, 4, seeded())[:, 0]
    mass = changed.sum(dim=(1, 2))
    down = (changed.sum(2) * torch.arange(41)).sum(1) / mass - 20
    across = (changed.sum(1) * torch.arange(41)).sum(1) / mass - 20
    away = (down.square() + across.square()).sqrt()
    torch.testing.assert_close(away, torch.full_like(away, 0.12 * 41), atol=0.1, rtol=0)
    quarters = {(a > 0, b > 0) for a, b in zip(down.tolist(), across.tolist(), strict=True)}
    assert len(quarters) == 4


def test_shift_turns_a_bar_by_its_angle_whatever_the_ratio_of_the_sides() -> None:
    x = torch.zeros(16, 1, 61, 121)
    x[:, :, 29:32, 40:81] = 1
    changed = shift(x, 2, seeded())[:, 0].double()
    rows, columns = torch.arange(61.0).double().view(-1, 1), torch.arange(121.0).double().view(1, -1)
    mass = changed.sum(dim=(1, 2), keepdim=True)
    row = rows - (changed * rows).sum(dim=(1, 2), keepdim=True) / mass
    column = columns - (changed * columns).sum(dim=(1, 2), keepdim=True) / mass
    xx, yy, xy = ((changed * v).sum(dim=(1, 2)) for v in (column**2, row**2, row * column))
    degrees = torch.rad2deg(0.5 * torch.atan2(2 * xy, xx - yy))
    torch.testing.assert_close(degrees.abs(), torch.full_like(degrees, 8.0), atol=0.3, rtol=0)
    assert (degrees > 0).any() and (degrees < 0).any()


def test_shift_continues_the_border() -> None:
    even = torch.full((4, 3, 9, 9), 0.75)
    torch.testing.assert_close(shift(even, 5, seeded()), even)
