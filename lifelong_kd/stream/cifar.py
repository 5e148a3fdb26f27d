"""CIFAR-10 and CIFAR-100, split by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.root import data_root, found_or_downloaded
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore

__all__ = ["split_cifar10", "split_cifar100"]


def split_cifar10(root: Path | None, seeds: Seeds, *, download: bool = True) -> Source:
    """CIFAR-10 by class: 50,000 + 10,000 photographs, 32x32, RGB (Krizhevsky 2009).

    Args:
        download: fetch the data if they are not in ``root/cifar-10-batches-py``.
    """
    return _cifar(CIFAR10, root, download)


def split_cifar100(root: Path | None, seeds: Seeds, *, download: bool = True) -> Source:
    """CIFAR-100 by class: 50,000 + 10,000 photographs, 32x32, RGB, 100 classes (Krizhevsky 2009).

    Args:
        download: fetch the data if they are not in ``root/cifar-100-python``.
    """
    return _cifar(CIFAR100, root, download)


def _cifar(dataset: type[CIFAR10], root: Path | None, download: bool) -> Source:
    folder = data_root(root)

    def read(fetch: bool) -> tuple[CIFAR10, CIFAR10]:
        return dataset(folder, train=True, download=fetch), dataset(folder, train=False, download=fetch)

    layout = f"{dataset.base_folder}/ (the python version of the data set, unpacked)"
    train, test = found_or_downloaded(dataset.__name__, folder, read, download=download, layout=layout)
    return Source(_samples(train), _samples(test), tuple(train.classes))


def _samples(data: CIFAR10) -> Samples:
    # torchvision holds images height, width, channel; models want channels first.
    x = torch.from_numpy(np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)))
    return Samples(TensorStore(x), torch.tensor(data.targets, dtype=torch.int64))
