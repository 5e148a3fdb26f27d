"""What is particular to one data set: its layout, its classes, and what is said if it is not there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from avalanche.benchmarks.datasets import TinyImagenet
from sklearn.datasets import load_digits

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream import registry
from lifelong_kd.stream.arrays import arrays
from lifelong_kd.stream.core50 import core50
from lifelong_kd.stream.image_folder import image_folder
from lifelong_kd.stream.mnist import split_mnist
from lifelong_kd.stream.root import data_root
from lifelong_kd.stream.tiny_imagenet import split_tiny_imagenet
from tests.stream.conftest import Sources, core50_files, folder_files, noise, tiny_files

DOWNLOADED = {
    "split_mnist": "MNIST/raw",
    "permuted_mnist": "MNIST/raw",
    "rotated_mnist": "MNIST/raw",
    "split_fashion_mnist": "FashionMNIST/raw",
    "split_cifar10": "cifar-10-batches-py",
    "split_cifar100": "cifar-100-python",
    "split_tiny_imagenet": "tiny-imagenet-200",
    "core50": "core50_128x128",
}


@pytest.mark.parametrize("name", sorted(DOWNLOADED))
@pytest.mark.parametrize("download", [True, False])
def test_missing_data_say_what_where_and_what_to_do(
    name: str, download: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "not" / "there"
    with pytest.raises(DataMissing) as caught:
        registry.get(name)(root, Seeds(0), download=download)
    message = str(caught.value)
    assert str(root) in message and DOWNLOADED[name] in message and "stream.root" in message
    assert ("no network in tests" in message) == download
    assert ("stream.download=true" in message) != download
    assert caught.value.exit_code == 2
    assert not (tmp_path / "not").exists(), "nothing is left behind"
    out, err = capsys.readouterr()
    assert out == "" and ("downloading" in err) == download


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "else").mkdir()
    with pytest.raises(DataMissing):
        split_mnist(tmp_path, Seeds(0))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["MNIST", "else", "raw"]


def test_where_data_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIFELONG_KD_DATA", raising=False)
    assert data_root(None) == Path("~/.cache/lifelong_kd/data").expanduser()
    monkeypatch.setenv("LIFELONG_KD_DATA", "/data")
    assert data_root(None) == Path("/data")
    assert data_root("/else") == Path("/else")


def test_digits_have_a_fixed_test_quarter(source_of: Sources) -> None:
    source = source_of("split_digits")
    digits = load_digits()
    counts = np.bincount(digits.target)
    assert torch.bincount(source.test.y).tolist() == (counts // 4).tolist()
    assert len(source.train.y) + len(source.test.y) == 1797
    x = torch.cat([source.train.store.gather(torch.arange(5)), source.test.store.gather(torch.arange(5))])
    assert x.dtype == torch.uint8 and set(x.unique().tolist()) <= {round(v * 255 / 16) for v in range(17)}
    # 16 is the darkest ink there is, so 255 must occur; the sum of all ink is kept up to rounding.
    total = sum(
        float(s.store.gather(torch.arange(len(s.y))).double().sum()) for s in (source.train, source.test)
    )
    assert total == pytest.approx(digits.images.sum() * 255 / 16, rel=1e-2)


def test_mnist_is_read_from_its_original_files(source_of: Sources) -> None:
    source = source_of("split_mnist")
    assert np.array_equal(
        source.train.store.gather(torch.arange(200))[:, 0].numpy(), noise(200, 28, 28, seed=20)
    )
    assert source.train.y[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert source.class_names == tuple("0123456789")
    assert source_of("split_fashion_mnist").class_names[1] == "Trouser"


def test_cifar_is_channels_first(source_of: Sources) -> None:
    source = source_of("split_cifar10")
    first = noise(40, 3072, seed=0)  # data_batch_1: 4 of each class
    assert np.array_equal(
        source.train.store.gather(torch.tensor([1]))[0].numpy(), first[1].reshape(3, 32, 32)
    )
    assert source.class_names[3] == "class03" and len(source.train.y) == 200
    assert source_of("split_cifar100").train.y[:101].tolist() == [*range(100), 0]


def test_tiny_imagenet_reads_labels_from_the_annotations(source_of: Sources) -> None:
    source = source_of("split_tiny_imagenet")
    assert source.class_names[:2] == ("n00000000", "n00007919")
    assert torch.bincount(source.train.y).tolist() == [3] * 200
    assert torch.bincount(source.test.y).tolist() == [1] * 200


def test_tiny_imagenet_agrees_with_avalanche(tmp_path: Path) -> None:
    tiny_files(tmp_path)
    source = split_tiny_imagenet(tmp_path, Seeds(0))
    for samples, train in ((source.train, True), (source.test, False)):
        theirs = TinyImagenet(tmp_path, train=train, download=False)
        wanted = {str(path): int(y) for path, y in zip(theirs.data, theirs.targets, strict=True)}
        assert dict(zip(samples.store.paths, samples.y.tolist(), strict=True)) == wanted  # type: ignore[attr-defined]


def test_core50_sessions_and_objects(source_of: Sources, tmp_path: Path) -> None:
    source = source_of("core50")
    assert source.class_names[0] == "plug adapter 1" and source.class_names[49] == "remote control 5"
    assert torch.bincount(source.train.y).tolist() == [8 * 2] * 50
    core50_files(tmp_path)
    coarse = core50(tmp_path, Seeds(0), mini=True, level="category")
    assert torch.bincount(coarse.test.y).tolist() == [3 * 2 * 5] * 10
    path = coarse.test.store.paths[0]  # type: ignore[attr-defined]
    assert path.endswith(os.path.join("s3", "o1", "C_03_01_000.png"))
    assert coarse.shape == (3, 32, 32)


def test_image_folders(tmp_path: Path) -> None:
    folder_files(tmp_path)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image", encoding="utf-8")
    source = image_folder(tmp_path, Seeds(0))
    assert source.class_names == ("cat", "dog", "eel", "fox") and source.shape == (3, 6, 8)
    assert source.train.y.tolist() == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10
    assert image_folder(tmp_path, Seeds(0), size=5, channels=1).shape == (1, 5, 5)
    assert image_folder(tmp_path, Seeds(0), size=[5, 7]).shape == (3, 5, 7)
    with pytest.raises(BadCall, match=r"number of pixels or \[height, width\]"):
        image_folder(tmp_path, Seeds(0), size=[5, 7, 9])


def test_image_folders_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="train/<class>/ and test/<class>/"):
        image_folder(tmp_path, Seeds(0))
    folder_files(tmp_path)
    (tmp_path / "test" / "gnu").mkdir()
    with pytest.raises(BadCall, match=r"gnu \(only in test\)"):
        image_folder(tmp_path, Seeds(0))
    (tmp_path / "train" / "gnu").mkdir()
    with pytest.raises(BadCall, match="has no image for gnu"):
        image_folder(tmp_path, Seeds(0))


def write(path: Path, **changes: object) -> None:
    data: dict[str, object] = {
        "x_train": np.zeros((4, 3, 2), dtype=np.uint8),
        "y_train": np.array([7, 9, 7, 9]),
        "x_test": np.zeros((2, 3, 2), dtype=np.uint8),
        "y_test": np.array([9, 7]),
    } | changes
    np.savez(path / "arrays.npz", **{key: value for key, value in data.items() if value is not None})


def test_arrays_of_every_shape(tmp_path: Path) -> None:
    write(tmp_path)
    source = arrays(tmp_path, Seeds(0))
    assert source.shape == (1, 3, 2) and source.class_names == ("7", "9") and source.test.y.tolist() == [1, 0]
    write(tmp_path, x_train=np.ones((4, 5)), x_test=np.ones((2, 5)))
    source = arrays(tmp_path, Seeds(0))
    assert source.shape == (5,) and source.train.store.gather(torch.tensor([0])).dtype == torch.float32
    last = np.arange(4 * 2 * 5 * 3, dtype=np.uint8).reshape(4, 2, 5, 3)
    write(tmp_path, x_train=last, x_test=last[:2])
    source = arrays(tmp_path, Seeds(0), layout="channels_last")
    assert source.shape == (3, 2, 5)
    assert np.array_equal(source.train.store.gather(torch.tensor([3]))[0].numpy(), last[3].transpose(2, 0, 1))
    write(tmp_path, y_train=np.array(["cat", "ant", "cat", "ant"]), y_test=np.array(["ant", "cat"]))
    assert arrays(tmp_path, Seeds(0)).class_names == ("ant", "cat")
    write(tmp_path, domain_train=np.array([0, 0, 1, 1]), domain_test=np.array([0, 1]))
    assert arrays(tmp_path, Seeds(0)).train.domain.tolist() == [0, 0, 1, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no y_test; it has x_train, y_train, x_test"),
        ({"y_test": np.array([9, 8])}, r"classes that y_train has not: \[8\]"),
        ({"y_train": np.array([7.0, 9.0, 7.0, 9.0])}, "y_train must be one integer or text a sample"),
        (
            {"x_train": np.zeros((4, 3, 2), dtype=np.int64)},
            "x_train must be uint8 or floating point, got int64",
        ),
        ({"x_train": np.zeros(4, dtype=np.uint8)}, "must have 2, 3 or 4 dimensions"),
        ({"x_train": np.full((4, 3, 2), np.nan)}, "not finite"),
        ({"x_train": np.zeros((3, 3, 2), dtype=np.uint8)}, "3 samples but 4 classes"),
        ({"x_train": np.array([{}, {}, {}, {}], dtype=object)}, r"is no \.npz file of plain arrays"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(BadCall, match=message):
        arrays(tmp_path, Seeds(0))


def test_arrays_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"own\.npz was not found in .* numpy\.savez"):
        arrays(tmp_path, Seeds(0), file="own.npz")
    (tmp_path / "own.npz").write_bytes(b"nothing")
    with pytest.raises(BadCall, match=r"is no \.npz file"):
        arrays(tmp_path, Seeds(0), file="own.npz")


def test_all_of_mnist_if_it_is_here() -> None:
    root = os.environ.get("LIFELONG_KD_DATA")
    if not root or not (Path(root) / "MNIST" / "raw").is_dir():
        pytest.skip("LIFELONG_KD_DATA has no MNIST")
    source = split_mnist(None, Seeds(0), download=False)
    # Class counts as published with the data set.
    assert torch.bincount(source.train.y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert torch.bincount(source.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
