"""Small files in the layout of each data set, and the streams made of them."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream import registry
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.source import Source
from lifelong_kd.stream.stream import Stream


@dataclass(frozen=True)
class Case:
    """How one stream is tested: what is written, its options, its classes and a number of tasks that divides them."""

    write: Callable[[Path], None]
    classes: int
    experiences: int
    options: dict[str, Any] = field(default_factory=dict)
    views: bool = False


def no_files(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, shape, dtype=np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.tobytes())


def mnist_files(name: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        folder = root / name / "raw"
        folder.mkdir(parents=True)
        for prefix, each in (("train", 20), ("t10k", 3)):
            y = np.tile(np.arange(10, dtype=np.uint8), each)
            write_idx(folder / f"{prefix}-images-idx3-ubyte", noise(len(y), 28, 28, seed=each))
            write_idx(folder / f"{prefix}-labels-idx1-ubyte", y)

    return write


def cifar_files(folder: str, classes: int, key: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        place = root / folder
        place.mkdir(parents=True)
        batches = {"train": 10, "test": 2} if classes == 100 else {"test_batch": 2}
        if classes == 10:
            batches |= {f"data_batch_{k}": 4 for k in range(1, 6)}
        for number, (name, each) in enumerate(sorted(batches.items())):
            y = np.tile(np.arange(classes), each).tolist()
            with (place / name).open("wb") as file:
                pickle.dump({"data": noise(len(y), 3072, seed=number), key: y}, file)
        names = {"batches.meta": "label_names"} if classes == 10 else {"meta": "fine_label_names"}
        for name, meta in names.items():
            with (place / name).open("wb") as file:
                pickle.dump({meta: [f"class{k:02d}" for k in range(classes)]}, file)

    return write


def tiny_files(root: Path) -> None:
    folder = root / "tiny-imagenet-200"
    names = [f"n{(k * 7919) % 100000:08d}" for k in range(200)]
    images = [Image.fromarray(noise(8, 8, 3, seed=k)) for k in range(4)]
    for name in names:
        (folder / "train" / name / "images").mkdir(parents=True)
        for k in range(3):
            images[k].save(folder / "train" / name / "images" / f"{name}_{k}.JPEG")
    (folder / "wnids.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (folder / "val" / "images").mkdir(parents=True)
    lines = []
    for k, name in enumerate(reversed(names)):
        images[3].save(folder / "val" / "images" / f"val_{k}.JPEG")
        lines.append(f"val_{k}.JPEG\t{name}\t0\t0\t7\t7")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def core50_files(root: Path) -> None:
    images = [Image.fromarray(noise(32, 32, 3, seed=k)) for k in range(2)]
    for session in range(1, 12):
        for thing in range(1, 51):
            folder = root / "core50" / "core50_32x32" / f"s{session}" / f"o{thing}"
            folder.mkdir(parents=True)
            for k, image in enumerate(images):
                image.save(folder / f"C_{session:02d}_{thing:02d}_{k:03d}.png", compress_level=0)


def folder_files(root: Path) -> None:
    for split, each in (("train", 10), ("test", 4)):
        for k, name in enumerate(("cat", "dog", "eel", "fox")):
            (root / split / name).mkdir(parents=True)
            for n in range(each):
                image = Image.fromarray(noise(6, 8, 3, seed=100 * k + n))
                image.save(root / split / name / f"{n:02d}.png")


def array_files(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    y = {"train": np.tile([3, 5, 7, 11, 13, 17], 10), "test": np.tile([17, 13, 11, 7, 5, 3], 3)}
    np.savez(
        root / "own.npz",
        **{f"x_{split}": noise(len(labels), 5, 4) for split, labels in y.items()},
        **{f"y_{split}": labels for split, labels in y.items()},
    )


CASES = {
    "split_digits": Case(no_files, 10, 5),
    "split_mnist": Case(mnist_files("MNIST"), 10, 5),
    "permuted_mnist": Case(mnist_files("MNIST"), 10, 3, views=True),
    "rotated_mnist": Case(mnist_files("MNIST"), 10, 3, views=True),
    "split_fashion_mnist": Case(mnist_files("FashionMNIST"), 10, 5),
    "split_cifar10": Case(cifar_files("cifar-10-batches-py", 10, "labels"), 10, 5),
    "split_cifar100": Case(cifar_files("cifar-100-python", 100, "fine_labels"), 100, 10),
    "split_tiny_imagenet": Case(tiny_files, 200, 10, {"size": 8}),
    "core50": Case(core50_files, 50, 5, {"mini": True, "size": 8}),
    "image_folder": Case(folder_files, 4, 2),
    "arrays": Case(array_files, 6, 3, {"file": "own.npz"}),
}


@pytest.fixture(scope="session", autouse=True)
def _own_files() -> Iterator[None]:
    """torchvision's CIFAR accepts the tests' own files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file()
        )
        yield


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test goes out: looking a host up fails at once."""

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise socket.gaierror(-2, "no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


Sources = Callable[[str], Source]


@pytest.fixture(scope="session")
def source_of(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The source of a stream by name, from files of the tests' own, read once."""
    roots: dict[Callable[[Path], None], Path] = {}
    sources: dict[str, Source] = {}

    def read(name: str) -> Source:
        case = CASES[name]
        if name not in sources:
            if case.write not in roots:
                roots[case.write] = tmp_path_factory.mktemp(name) / "data"
                case.write(roots[case.write])
            sources[name] = registry.get(name)(roots[case.write], Seeds(0), **case.options).held("auto")
        return sources[name]

    return read


Builder = Callable[..., Stream]


@pytest.fixture(scope="session")
def stream_of(source_of: Sources) -> Builder:
    """A stream by name; ``seed`` and every option of ``build_stream`` can be given."""

    def build(name: str, *, seed: int = 0, **options: Any) -> Stream:
        settings = {"experiences": CASES[name].experiences, "validation": 0.2, "seeds": Seeds(seed)} | options
        return build_stream(name, source_of(name), **settings)

    return build
