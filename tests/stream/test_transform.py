from __future__ import annotations

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream import transforms
from lifelong_kd.stream.augment.color_jitter import ColorJitter
from lifelong_kd.stream.augment.crop import Crop
from lifelong_kd.stream.augment.erasing import Erasing
from lifelong_kd.stream.augment.flip import Flip
from lifelong_kd.stream.augment.rotation import RandomRotation
from lifelong_kd.stream.transform import Pipeline


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_bytes_become_zero_to_one_and_floats_pass() -> None:
    assert Pipeline().eval(torch.tensor([[0, 51, 255]], dtype=torch.uint8)).tolist() == [
        [0.0, pytest.approx(0.2), 1.0]
    ]
    x = torch.tensor([[-3.0, 300.0]])
    assert torch.equal(Pipeline().eval(x), x)


def test_each_channel_is_normalised_by_its_own_numbers() -> None:
    x = torch.tensor([[[[1.0]], [[3.0]]]])
    assert Pipeline(mean=[0.5, 1.0], std=[0.25, 4.0]).eval(x).flatten().tolist() == [2.0, 0.5]
    assert torch.equal(x, torch.tensor([[[[1.0]], [[3.0]]]])), "the raw batch is left alone"


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [([0.5], None, "both"), ([0.5], [0.5, 0.5], "1 values"), ([0.5], [0.0], "greater than 0")],
)
def test_wrong_normalisation_is_an_error(mean: list[float], std: list[float] | None, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Pipeline(mean=mean, std=std)


def test_normalisation_must_fit_the_channels_and_augmentation_needs_images() -> None:
    with pytest.raises(BadCall, match="2 values but the samples have 3 channels"):
        Pipeline(mean=[0.0, 0.0], std=[1.0, 1.0]).check((3, 4, 4))
    with pytest.raises(BadCall, match="needs images"):
        Pipeline([Flip()]).check((7,))
    assert Pipeline([Crop(padding=1, size=3)]).check((1, 8, 8)) == (1, 3, 3)


@pytest.mark.parametrize("name", transforms.names())
def test_every_transform_draws_for_each_sample_and_repeats_with_its_generator(name: str) -> None:
    transform = transforms.get(name)()
    image = torch.rand(1, 3, 12, 10, generator=generator(5))
    batch = image.expand(64, -1, -1, -1).clone()
    out = transform(batch, generator())
    assert out.shape == batch.shape and out.dtype == torch.float32
    assert len({tuple(sample.flatten().tolist()) for sample in out}) > 1, "one draw for the whole batch"
    assert torch.equal(out, transform(batch, generator()))
    assert not torch.equal(out, transform(batch, generator(1)))
    assert torch.equal(batch, image.expand(64, -1, -1, -1)), "the input is left alone"
    assert float(out.min()) >= 0 and float(out.max()) <= 1 + 1e-6
    torch.manual_seed(0)
    default = transform(batch, None)
    torch.manual_seed(0)
    assert torch.equal(default, transform(batch, None))


@pytest.mark.parametrize("name", transforms.names())
def test_grey_images_pass_through_every_transform(name: str) -> None:
    assert transforms.get(name)()(torch.rand(2, 1, 8, 8), generator()).shape == (2, 1, 8, 8)


def test_flip_mirrors_left_and_right_at_its_rate() -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).expand(400, -1, -1, -1)
    out = Flip(p=0.25)(x, generator())
    mirrored = out[:, 0, 0, 0] == 2.0
    assert out[mirrored][0].tolist() == [[[2.0, 1.0], [4.0, 3.0]]]
    assert 0.15 < float(mirrored.float().mean()) < 0.35
    assert torch.equal(Flip(p=0.0)(x, generator()), x)
    assert torch.equal(Flip(p=1.0)(x, generator()), x.flip(3))


def test_crop_is_a_window_of_the_padded_image() -> None:
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3).expand(200, -1, -1, -1)
    out = Crop(padding=1)(x, generator())
    padded = torch.nn.functional.pad(x[:1], [1] * 4)[0, 0]
    windows = {tuple(padded[i : i + 3, j : j + 3].flatten().tolist()) for i in range(3) for j in range(3)}
    assert {tuple(sample.flatten().tolist()) for sample in out} == windows, (
        "all nine places, and nothing else"
    )
    assert torch.equal(Crop(padding=1).still(x), x)
    assert Crop(padding=0, size=1).still(x)[0].item() == 5.0
    with pytest.raises(BadCall, match="does not fit"):
        Crop(padding=0, size=4)(x, generator())


def test_rotation_by_nothing_is_nothing_and_stays_in_its_range() -> None:
    x = torch.rand(4, 1, 9, 7)
    assert torch.allclose(RandomRotation(degrees=0.0)(x, generator()), x, atol=1e-5)
    # A bright pixel 4 below the centre moves sideways by 4 sin(a): at most about 2 for 30 degrees.
    dot = torch.zeros(300, 1, 11, 11)
    dot[:, 0, 9, 5] = 1.0
    columns = (
        RandomRotation(degrees=30.0)(dot, generator()).amax(dim=(0, 1, 2)).gt(0).nonzero().flatten().tolist()
    )
    assert columns == [2, 3, 4, 5, 6, 7, 8]


def test_erasing_cuts_one_rectangle_of_the_wanted_area() -> None:
    x = torch.ones(100, 2, 20, 20)
    out = Erasing(p=1.0, scale=[0.25, 0.25], ratio=[1.0, 1.0])(x, generator())
    gone = out == 0
    assert gone.sum(dim=(1, 2, 3)).tolist() == [2 * 100] * 100, "10 x 10 pixels in both channels"
    for sample in gone:
        rows, columns = sample[0].any(1).nonzero().flatten(), sample[0].any(0).nonzero().flatten()
        assert int(rows.max() - rows.min()) == 9 and int(columns.max() - columns.min()) == 9
    assert torch.equal(Erasing(p=0.0)(x, generator()), x)


def test_color_jitter_by_hand() -> None:
    x = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    same = ColorJitter(brightness=0, contrast=0, saturation=0)(x, generator())
    assert torch.allclose(same, x)
    factor = float(torch.rand(1, generator=generator())) + 0.5  # in [0.5, 1.5)
    brighter = ColorJitter(brightness=0.5, contrast=0, saturation=0)(x, generator())
    assert torch.allclose(brighter, (x * factor).clamp(0, 1))
    one_pixel = ColorJitter(brightness=0, contrast=0.5, saturation=0)
    draws = torch.rand(2, generator=generator())
    grey = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    wanted = grey + (x - grey) * (float(draws[1]) + 0.5)
    assert torch.allclose(one_pixel(x, generator()), wanted.clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flip", {"p": 1.5}),
        ("crop", {"padding": -1}),
        ("crop", {"size": 0}),
        ("rotation", {"degrees": -1.0}),
        ("erasing", {"p": -0.1}),
        ("erasing", {"scale": [0.5, 0.2]}),
        ("erasing", {"ratio": [0.0, 1.0]}),
        ("color_jitter", {"contrast": -1.0}),
    ],
)
def test_impossible_options_are_errors(name: str, options: dict[str, object]) -> None:
    with pytest.raises(BadCall, match=next(iter(options))):
        transforms.get(name)(**options)
