"""Tiny ImageNet, split by class."""

from __future__ import annotations

from pathlib import Path

import torch
from avalanche.benchmarks.datasets import TinyImagenet

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.root import data_root, found_or_downloaded
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import FileStore

__all__ = ["split_tiny_imagenet"]

FOLDER = "tiny-imagenet-200"


def split_tiny_imagenet(root: Path | None, seeds: Seeds, *, size: int = 64, download: bool = True) -> Source:
    """Tiny ImageNet by class: 100,000 + 10,000 photographs, 64x64, RGB, 200 classes (Le and Yang 2015).

    The data set's ``val`` folder is the test set, as everywhere in the field: the labels of its ``test`` were never
    published.

    Args:
        size: side that images are resized to, in pixels.
        download: fetch the data if they are not in ``root/tiny-imagenet-200``.
    """
    folder = data_root(root)

    def read(fetch: bool) -> tuple[list[str], list[tuple[Path, int]], list[tuple[Path, int]]]:
        if fetch:
            TinyImagenet(folder, download=True)
        return _listing(folder / FOLDER)

    layout = f"{FOLDER}/ (the unpacked archive, with wnids.txt, train/ and val/)"
    names, train, test = found_or_downloaded("Tiny ImageNet", folder, read, download=download, layout=layout)
    return Source(_samples(train, size), _samples(test, size), tuple(names))


def _listing(folder: Path) -> tuple[list[str], list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Class names, training and test files with their classes, sorted by name whatever the file system says."""
    names = (folder / "wnids.txt").read_text(encoding="utf-8").split()
    number = {name: index for index, name in enumerate(names)}
    train = [
        (path, index)
        for name, index in number.items()
        for path in sorted((folder / "train" / name / "images").iterdir())
    ]
    lines = (folder / "val" / "val_annotations.txt").read_text(encoding="utf-8").splitlines()
    test = []
    for line in sorted(lines):
        file, name = line.split("\t")[:2]
        test.append((folder / "val" / "images" / file, number[name]))
    return names, train, test


def _samples(files: list[tuple[Path, int]], size: int) -> Samples:
    return Samples(
        FileStore([path for path, _ in files], size=(size, size)), torch.tensor([y for _, y in files])
    )
