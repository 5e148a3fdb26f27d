"""Pools: what they draw, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.stream import pool_held, pools, registry
from lifelong_kd.stream.pool import Pool
from lifelong_kd.stream.pool_dataset import DatasetPool
from lifelong_kd.stream.pool_files import FilesPool
from lifelong_kd.stream.pool_noise import NoisePool
from lifelong_kd.stream.pool_patches import PatchesPool
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.testing import check_pool


class Data:
    """A task's training data."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.targets = torch.arange(len(x)) % 2
        self.labels = torch.zeros(len(x), dtype=torch.int64)

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, *shape), generator=rng(seed), dtype=torch.uint8)


COLOURED = Data(pixels(40, 3, 8, 8, seed=9))
GREY = Data(pixels(40, 1, 8, 8, seed=9))


def contains(pool: Tensor, drawn: Tensor) -> bool:
    known = {sample.numpy().tobytes() for sample in pool}
    return {sample.numpy().tobytes() for sample in drawn} <= known


# ---- files ----------------------------------------------------------------------------------------------------


def test_an_array_in_a_file(tmp_path: Path) -> None:
    x = pixels(20, 3, 8, 8)
    np.save(tmp_path / "x.npy", x.numpy())
    check_pool(lambda: FilesPool(path=str(tmp_path / "x.npy")), COLOURED)
    drawn = FilesPool(path=str(tmp_path / "x.npy")).draw(500, rng(), COLOURED)
    assert contains(x, drawn) and contains(drawn, x)  # nothing else, and all of it


def test_arrays_with_names_grey_ones_and_channels_behind(tmp_path: Path) -> None:
    x = pixels(20, 3, 8, 8)
    np.savez(tmp_path / "one.npz", anything=x.numpy().transpose(0, 2, 3, 1))
    last = FilesPool(path=str(tmp_path / "one.npz"), layout="channels_last")
    assert contains(x, last.draw(50, rng(), COLOURED))
    np.savez(tmp_path / "two.npz", a=x[:, :1].numpy(), b=x[:, 0].numpy())
    for key in ("a", "b"):
        assert contains(x[:, :1], FilesPool(path=str(tmp_path / "two.npz"), key=key).draw(50, rng(), GREY))


def test_floating_point_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 5)))
    data = Data(torch.randn(9, 5, generator=rng()))
    drawn = FilesPool(path=str(tmp_path / "x.npy")).draw(4, rng(), data)
    assert drawn.shape == (4, 5) and drawn.dtype == torch.float32


def test_a_folder_of_images(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    x = pixels(3, 8, 8, 3)
    for number, name in enumerate(("a.png", "sub/b.png", "sub/c.PNG")):
        Image.fromarray(x[number].numpy()).save(tmp_path / name, format="png")
    (tmp_path / "readme.txt").write_text("no image", encoding="utf-8")
    check_pool(lambda: FilesPool(path=str(tmp_path)), COLOURED)
    drawn = FilesPool(path=str(tmp_path)).draw(60, rng(), COLOURED)
    assert contains(x.permute(0, 3, 1, 2).contiguous(), drawn) and len(drawn.flatten(1).unique(dim=0)) == 3
    # The stream's channels and size, whatever the files'.
    assert FilesPool(path=str(tmp_path)).draw(2, rng(), Data(pixels(9, 1, 5, 6))).shape == (2, 1, 5, 6)


def test_images_too_many_for_memory_are_read_when_they_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, x in enumerate(pixels(4, 8, 8, 3)):
        Image.fromarray(x.numpy()).save(tmp_path / f"{number}.png")
    held = FilesPool(path=str(tmp_path)).draw(20, rng(), COLOURED)
    monkeypatch.setattr(pool_held, "LIMIT", 100)
    pool = FilesPool(path=str(tmp_path))
    assert torch.equal(pool.draw(20, rng(), COLOURED), held)
    assert not isinstance(pool._store, TensorStore)


def test_files_that_cannot_be_a_pool(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"not found in .*nowhere: there is no such file or folder"):
        FilesPool(path=str(tmp_path / "nowhere"))
    with pytest.raises(BadCall, match="has no image; images end in"):
        FilesPool(path=str(tmp_path))
    (tmp_path / "x.csv").write_text("1", encoding="utf-8")
    with pytest.raises(BadCall, match="neither a folder of images nor"):
        FilesPool(path=str(tmp_path / "x.csv"))
    np.save(tmp_path / "x.npy", pixels(4, 3, 8, 8).numpy())
    with pytest.raises(BadCall, match="leave out the key 'x'"):
        FilesPool(path=str(tmp_path / "x.npy"), key="x")
    with pytest.raises(BadCall, match="'channels_first' or 'channels_last', not 'last'"):
        FilesPool(path=str(tmp_path / "x.npy"), layout="last")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 3, 9, 8), np.uint8), r"have shape \(3, 9, 8\), those of the stream \(3, 8, 8\)"),
        (np.zeros((4, 8, 8, 3), np.uint8), r"have shape \(8, 8, 3\)"),
        (np.zeros((4, 3, 8, 8), np.float64), r"are float32, those of the stream uint8 \(0 to 255\)"),
        (np.zeros((4, 3, 8, 8), np.int64), "holds int64; samples are uint8"),
        (np.zeros(4, np.uint8), r"an array of shape \(4,\)"),
        (np.zeros((0, 3, 8, 8), np.uint8), "has no samples"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_the_first_step(
    tmp_path: Path, array: Any, message: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(BadCall, match=message):
        FilesPool(path=str(tmp_path / "x.npy")).check(COLOURED)


def test_archives_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(BadCall, match="has several arrays; set the key to one of a, b"):
        FilesPool(path=str(tmp_path / "two.npz")).check(COLOURED)
    with pytest.raises(BadCall, match="has no array 'c'; set the key to one of a, b"):
        FilesPool(path=str(tmp_path / "two.npz"), key="c").check(COLOURED)
    (tmp_path / "broken.npy").write_bytes(b"not numpy")
    with pytest.raises(BadCall, match="no file of plain arrays"):
        FilesPool(path=str(tmp_path / "broken.npy")).check(COLOURED)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BadCall, match="no file of plain arrays"):
        FilesPool(path=str(tmp_path / "objects.npy")).check(COLOURED)


# ---- another data set -----------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Tensor]:
    x = pixels(50, 3, 8, 8, seed=4)
    y = torch.arange(50) % 2

    @registry.register("elsewhere")
    def made(root: Path | None, seeds: Any, *, first: int = 0) -> Source:
        return Source(
            Samples(TensorStore(x[first:]), y[first:]), Samples(TensorStore(255 - x), y), ("a", "b")
        )

    yield x
    registry.remove("elsewhere")


def test_the_training_samples_of_another_stream(elsewhere: Tensor) -> None:
    check_pool(lambda: DatasetPool(stream="elsewhere"), COLOURED)
    drawn = DatasetPool(stream="elsewhere").draw(1000, rng(), COLOURED)
    assert contains(elsewhere, drawn) and contains(drawn, elsewhere)
    some = DatasetPool(stream="elsewhere", options={"first": 40}).draw(200, rng(), COLOURED)
    assert contains(elsewhere[40:], some)


def test_digits_that_come_with_a_library() -> None:
    check_pool(lambda: DatasetPool(stream="split_digits"), Data(pixels(40, 1, 8, 8)))


def test_the_streams_own_data_are_refused(elsewhere: Tensor, tmp_path: Path) -> None:
    own = Data(elsewhere[torch.randperm(50, generator=rng())[:20]])
    message = "20 of 20 samples of this task are in the pool 'elsewhere': .* the tasks to come are as well"
    with pytest.raises(BadCall, match=message):
        DatasetPool(stream="elsewhere").check(own)
    np.save(tmp_path / "own.npy", elsewhere.numpy())
    with pytest.raises(BadCall, match="the tasks to come"):
        FilesPool(path=str(tmp_path / "own.npy")).draw(1, rng(), own)
    # A few that two data sets share are no reason.
    DatasetPool(stream="elsewhere").check(Data(torch.cat([elsewhere[:8], pixels(30, 3, 8, 8, seed=6)])))


def test_streams_that_cannot_be_a_pool(elsewhere: Tensor) -> None:
    with pytest.raises(
        BadCall, match=r"there is no stream called 'split_digit'.*Did you mean 'split_digits'"
    ):
        DatasetPool(stream="split_digit")
    with pytest.raises(BadCall, match=r"does not take {'last': 3}"):
        DatasetPool(stream="elsewhere", options={"last": 3}).check(COLOURED)
    with pytest.raises(BadCall, match=r"have shape \(1, 8, 8\), those of the stream \(3, 8, 8\)"):
        DatasetPool(stream="split_digits").check(COLOURED)


def test_a_benchmark_is_no_data_set() -> None:
    @registry.register("benchmark_of_ones_own")
    def made(root: Path | None, seeds: Any) -> object:
        return object()

    try:
        with pytest.raises(BadCall, match="an Avalanche benchmark, which gives no data set"):
            DatasetPool(stream="benchmark_of_ones_own").check(COLOURED)
    finally:
        registry.remove("benchmark_of_ones_own")


# ---- patches and noise ----------------------------------------------------------------------------------------


def patches_of(image: Tensor, side: int) -> list[bytes]:
    cut = image.unfold(1, side, side).unfold(2, side, side)
    return sorted(
        cut[:, i, j].contiguous().numpy().tobytes() for i in range(cut.shape[1]) for j in range(cut.shape[2])
    )


@pytest.mark.parametrize(("shape", "side"), [((3, 8, 8), 2), ((1, 6, 9), 3), ((1, 4, 4), 4), ((1, 4, 4), 1)])
def test_patches_are_those_of_one_image_each_in_another_order(shape: tuple[int, ...], side: int) -> None:
    data = Data(pixels(5, *shape))
    drawn = PatchesPool(patch=side).draw(30, rng(), data)
    known = [patches_of(image, side) for image in data.x]
    assert all(patches_of(image, side) in known for image in drawn)
    if side < shape[-1]:
        assert not any(contains(data.x, image[None]) for image in drawn)
    else:
        assert contains(data.x, drawn)


def test_every_image_gets_an_order_of_its_own() -> None:
    drawn = PatchesPool(patch=2).draw(50, rng(), Data(pixels(1, 1, 8, 8)))
    assert len(drawn.flatten(1).unique(dim=0)) == 50


def test_patches_that_do_not_fit() -> None:
    with pytest.raises(BadCall, match="patch must be at least 1 pixel, got 0"):
        PatchesPool(patch=0)
    with pytest.raises(BadCall, match="images of 8x8 pixels cannot be cut into patches of 3"):
        PatchesPool(patch=3).check(GREY)
    with pytest.raises(BadCall, match=r"the samples have shape \(5,\)"):
        PatchesPool().check(Data(torch.zeros(3, 5)))


def test_noise_is_uniform_in_the_range_of_the_data() -> None:
    drawn = NoisePool().draw(400, rng(), COLOURED).double()
    assert drawn.min() == 0 and drawn.max() == 255
    # The mean of 76,800 uniform bytes has a standard deviation of 0.27.
    assert abs(float(drawn.mean()) - 127.5) < 1.4
    pool = NoisePool()
    for low, high in ((-2.0, 3.0), (0.0, 1.0)):  # the next task has a range of its own
        data = Data(torch.tensor([[low], [high]]))
        values = pool.draw(2000, rng(), data)
        assert values.min() >= low and values.max() <= high and values.dtype == torch.float32
        assert values.max() - values.min() > 0.99 * (high - low)


def test_the_pools_have_names() -> None:
    assert pools.names() == ["dataset", "files", "left_out", "noise", "patches"]
    assert all(issubclass(pools.get(name), Pool) for name in pools.names())  # type: ignore[arg-type]


# ---- the kit --------------------------------------------------------------------------------------------------


class Global(Pool):
    def draw(self, count: int, generator: torch.Generator, data: Any) -> Tensor:
        return torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8)


class Stale(Pool):
    def draw(self, count: int, generator: torch.Generator, data: Any) -> Tensor:
        return pixels(count, 3, 8, 8)


class Few(Pool):
    def draw(self, count: int, generator: torch.Generator, data: Any) -> Tensor:
        return NoisePool().draw(min(count, 100), generator, data)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Global, "other samples for a generator in the same state"),
        (Stale, "the same samples whatever the generator"),
        (Few, r"gives torch.uint8 \(100, 3, 8, 8\), not torch.uint8 \(200, 3, 8, 8\)"),
    ],
)
def test_the_kit_finds_pools_that_break_their_promises(broken: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_pool(broken)
