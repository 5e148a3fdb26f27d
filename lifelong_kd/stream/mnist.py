"""MNIST and Fashion-MNIST: split by class, permuted, rotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torchvision.datasets import MNIST, FashionMNIST

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.root import data_root, found_or_downloaded
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.view import Permutation, Rotation, View

__all__ = ["permuted_mnist", "rotated_mnist", "split_fashion_mnist", "split_mnist"]


def split_mnist(root: Path | None, seeds: Seeds, *, download: bool = True) -> Source:
    """MNIST by class: 60,000 + 10,000 digits, 28x28, grey (LeCun et al. 1998).

    Args:
        download: fetch the data if they are not in ``root/MNIST/raw``.
    """
    return _mnist(MNIST, root, download)


def split_fashion_mnist(root: Path | None, seeds: Seeds, *, download: bool = True) -> Source:
    """Fashion-MNIST by class: 60,000 + 10,000 pieces of clothing, 28x28, grey (Xiao et al. 2017, arXiv 1708.07747).

    Args:
        download: fetch the data if they are not in ``root/FashionMNIST/raw``.
    """
    return _mnist(FashionMNIST, root, download)


def permuted_mnist(
    root: Path | None, seeds: Seeds, *, download: bool = True, first_plain: bool = True
) -> Source:
    """MNIST with the pixels in another order in each task (Goodfellow et al. 2013, arXiv 1312.6211).

    The permutations are drawn from the run's seed, one generator a task, so that a longer stream begins like a shorter.

    Args:
        download: fetch the data if they are not in ``root/MNIST/raw``.
        first_plain: whether the first task shows the images as they are.
    """
    source = _mnist(MNIST, root, download)

    def views(tasks: int) -> Sequence[View]:
        pixels = 1
        for length in source.shape:
            pixels *= length
        orders = [
            torch.arange(pixels)
            if task == 0 and first_plain
            else torch.randperm(
                pixels, generator=torch.Generator().manual_seed(seeds.derive(f"permutation/{task}"))
            )
            for task in range(tasks)
        ]
        return [Permutation(order) for order in orders]

    return Source(source.train, source.test, source.class_names, views)


def rotated_mnist(
    root: Path | None,
    seeds: Seeds,
    *,
    download: bool = True,
    angles: list[float] | None = None,
    up_to: float = 180.0,
) -> Source:
    """MNIST turned by another angle in each task (Lopez-Paz and Ranzato 2017, arXiv 1706.08840).

    Args:
        download: fetch the data if they are not in ``root/MNIST/raw``.
        angles: degrees for each task; by default task t of T has ``t * up_to / T``.
        up_to: the range that default angles are spread over, in degrees.
    """
    source = _mnist(MNIST, root, download)

    def views(tasks: int) -> Sequence[View]:
        degrees = [task * up_to / tasks for task in range(tasks)] if angles is None else angles
        if len(degrees) != tasks:
            raise BadCall(f"stream.angles has {len(degrees)} angles but stream.experiences is {tasks}")
        return [Rotation(angle, *source.shape[-2:]) for angle in degrees]

    return Source(source.train, source.test, source.class_names, views)


def _mnist(dataset: type[MNIST], root: Path | None, download: bool) -> Source:
    folder = data_root(root)
    name = dataset.__name__

    def read(fetch: bool) -> tuple[MNIST, MNIST]:
        return dataset(folder, train=True, download=fetch), dataset(folder, train=False, download=fetch)

    layout = f"{name}/raw/ with train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k- files"
    train, test = found_or_downloaded(name, folder, read, download=download, layout=layout)
    return Source(
        train=Samples(TensorStore(train.data.unsqueeze(1)), train.targets.long()),
        test=Samples(TensorStore(test.data.unsqueeze(1)), test.targets.long()),
        class_names=tuple(text.partition(" - ")[0] for text in dataset.classes),
    )
