from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import FileStore, TensorStore


def save(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [save(tmp_path / f"{k}.png", np.full((2, 3, 3), 10 * k, dtype=np.uint8)) for k in range(4)]


def test_tensors_are_gathered_in_the_order_asked_for() -> None:
    store = TensorStore(torch.arange(12, dtype=torch.uint8).view(4, 1, 1, 3))
    assert store.gather(torch.tensor([2, 0])).flatten().tolist() == [6, 7, 8, 0, 1, 2]
    assert (len(store), store.shape, store.nbytes) == (4, (1, 1, 3), 12)
    assert TensorStore(torch.zeros(2, 5)).nbytes == 40


@pytest.mark.parametrize("x", [torch.zeros(3, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.float64)])
def test_tensors_of_other_types_are_refused(x: torch.Tensor) -> None:
    with pytest.raises(BadCall, match="must be uint8"):
        TensorStore(x)


def test_moving_a_store_moves_every_part_of_it() -> None:
    store = TensorStore(torch.zeros(2, 3))
    part = Part(store, torch.tensor([1]), torch.tensor([0]))
    store.to("meta")
    assert part.gather(torch.tensor([0])).device.type == "meta"


def test_files_are_read_channels_first(tmp_path: Path) -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    store = FileStore([save(tmp_path / "a.png", pixels)], size=None)
    assert store.shape == (3, 2, 3) and store.nbytes == 18
    assert np.array_equal(store.gather(torch.tensor([0]))[0].numpy(), pixels.transpose(2, 0, 1))


def test_files_gather_like_their_decoded_tensor(files: list[Path]) -> None:
    store = FileStore(files, size=None)
    index = torch.tensor([3, 1, 1])
    assert store.gather(index)[:, 0, 0, 0].tolist() == [30, 10, 10]
    assert torch.equal(store.gather(index), store.decoded().gather(index))
    assert store.decoded().nbytes == store.nbytes


def test_grey_and_resized(files: list[Path]) -> None:
    store = FileStore(files, size=(5, 4), channels=1)
    assert store.gather(torch.tensor([2])).shape == (1, 1, 5, 4)
    assert store.gather(torch.tensor([2])).unique().tolist() == [20]


def test_an_image_of_another_size_is_named(files: list[Path], tmp_path: Path) -> None:
    odd = save(tmp_path / "odd.png", np.zeros((5, 3, 3), dtype=np.uint8))
    store = FileStore([*files, odd], size=None)
    for read in (store.check_sizes, store.decoded, lambda: store.gather(torch.tensor([4]))):
        with pytest.raises(BadCall, match=r"odd\.png is 5x3 but .*0\.png is 2x3"):
            read()
    FileStore([*files, odd], size=(2, 2)).check_sizes()


def test_a_broken_image_is_named(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(BadCall, match=r"broken\.png cannot be read"):
        FileStore([*files, tmp_path / "broken.png"], size=None).decoded()
    with pytest.raises(BadCall, match=r"broken\.png cannot be read"):
        FileStore([tmp_path / "broken.png"], size=None)


def test_wrong_file_stores() -> None:
    with pytest.raises(BadCall, match="channels must be 1 or 3"):
        FileStore(["a.png"], size=(1, 1), channels=4)
    with pytest.raises(BadCall, match="no image file"):
        FileStore([], size=(1, 1))


def test_what_fits_is_decoded_and_what_does_not_stays(files: list[Path]) -> None:
    samples = Samples(FileStore(files, size=None), torch.tensor([0, 1, 0, 1]))
    source = Source(samples, samples, ("a", "b"))
    assert isinstance(source.held("auto").train.store, TensorStore)
    assert isinstance(source.held("auto", limit=samples.store.nbytes * 2).train.store, TensorStore)
    assert isinstance(source.held("auto", limit=samples.store.nbytes * 2 - 1).train.store, FileStore)
    assert isinstance(source.held(False).train.store, FileStore)
    assert isinstance(source.held(True, limit=0).test.store, TensorStore)


def test_a_source_must_agree_with_itself() -> None:
    x = TensorStore(torch.zeros(2, 3))
    good = Samples(x, torch.tensor([0, 1]))
    with pytest.raises(BadCall, match="2 samples but 1 classes"):
        Samples(x, torch.tensor([0]))
    with pytest.raises(BadCall, match="2 samples but 3 domains"):
        Samples(x, torch.tensor([0, 1]), torch.tensor([0, 1, 2]))
    with pytest.raises(BadCall, match=r"training data have classes \[1\], but 1 classes"):
        Source(good, good, ("a",))
    with pytest.raises(BadCall, match="test data have no sample of b"):
        Source(good, Samples(x, torch.tensor([0, 0])), ("a", "b"))
    with pytest.raises(BadCall, match=r"shape \(3,\) but test samples \(4,\)"):
        Source(good, Samples(TensorStore(torch.zeros(2, 4)), torch.tensor([0, 1])), ("a", "b"))


def test_a_part_is_rows_of_its_store() -> None:
    store = TensorStore(torch.arange(5.0).view(5, 1))
    part = Part(store, torch.tensor([4, 2]), torch.tensor([7, 8]), label=3, view=lambda raw: raw * 10)
    x, y = part[1]
    assert (x.tolist(), y, len(part), part.label) == ([20.0], 8, 2, 3)
    assert part.gather(torch.tensor([1, 0])).flatten().tolist() == [20.0, 40.0]
    with pytest.raises(ValueError, match="2 rows but 1 targets"):
        Part(store, torch.tensor([4, 2]), torch.tensor([7]))
