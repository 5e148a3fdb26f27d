"""One's own images, in a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torchvision.datasets.folder import IMG_EXTENSIONS

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.root import data_root, missing
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import FileStore

__all__ = ["image_folder"]


def image_folder(
    root: Path | None, seeds: Seeds, *, size: int | list[int] | None = None, channels: Literal[1, 3] = 3
) -> Source:
    """Images of one's own: ``root/train/<class>/*`` and ``root/test/<class>/*``, classes numbered by name.

    Args:
        size: side, or height and width, that images are resized to, in pixels; null requires that all have one size.
        channels: 1 reads grey, 3 reads RGB.
    """
    folder = data_root(root)
    names = _classes(folder, "train")
    tested = _classes(folder, "test")
    if names != tested:
        only = [f"{name} (only in train)" for name in names if name not in tested]
        only += [f"{name} (only in test)" for name in tested if name not in names]
        raise BadCall(f"{folder}: train and test must have the same class folders; {', '.join(only)}")
    shape = _shape(size)
    train = _files(folder / "train", names)
    test = _files(folder / "test", names)
    store = FileStore([path for path, _ in train], size=shape, channels=channels)
    return Source(
        train=Samples(store, torch.tensor([y for _, y in train])),
        test=Samples(
            FileStore([path for path, _ in test], size=shape, channels=channels),
            torch.tensor([y for _, y in test]),
        ),
        class_names=tuple(names),
    )


def _shape(size: int | list[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or min(sides) < 1:
        raise BadCall(f"stream.size must be a number of pixels or [height, width], got {size}")
    return sides[0], sides[1]


def _classes(folder: Path, split: str) -> list[str]:
    place = folder / split
    names = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    if not names:
        remedy = (
            "Set stream.root to the folder that has train/<class>/ and test/<class>/ with images in each."
        )
        raise missing(f"a class folder of {split} images", place, remedy)
    return names


def _files(folder: Path, names: list[str]) -> list[tuple[Path, int]]:
    found = [
        (path, index)
        for index, name in enumerate(names)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in IMG_EXTENSIONS
    ]
    empty = sorted(set(range(len(names))) - {index for _, index in found})
    if empty:
        raise BadCall(
            f"{folder} has no image for {', '.join(names[index] for index in empty)};"
            f" images end in {', '.join(IMG_EXTENSIONS)}"
        )
    return found
