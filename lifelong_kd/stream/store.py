"""Where samples are held: as one tensor, or as image files that are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["FileStore", "Store", "TensorStore"]


class Store(Protocol):
    """A numbered collection of samples of one shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample, channels first."""

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take as one tensor."""

    def __len__(self) -> int: ...

    def gather(self, rows: Tensor) -> Tensor:
        """The samples at ``rows``, as one batch."""

    def fingerprint(self) -> bytes:
        """A few bytes that tell this collection from another, without reading all of it."""


class TensorStore:
    """Samples held as one tensor.

    Args:
        x: ``uint8`` of shape (samples, channels, height, width), 0..255, or ``float32`` of shape (samples, ...).

    Raises:
        BadCall: if ``x`` is of another type, or is a single sample.
    """

    def __init__(self, x: Tensor) -> None:
        if x.dtype not in (torch.uint8, torch.float32) or x.dim() < 2:
            raise BadCall(
                "samples must be uint8 (0 to 255) or float32 with the samples first,"
                f" got {x.dtype} of shape {tuple(x.shape)}"
            )
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.x.shape[1:])

    @property
    def nbytes(self) -> int:
        return self.x.numel() * self.x.element_size()

    def gather(self, rows: Tensor) -> Tensor:
        """The samples at ``rows`` (int64, any device), on the store's device."""
        return self.x.index_select(0, rows.to(self.x.device))

    def to(self, device: torch.device | str) -> TensorStore:
        """Move the samples; every part that reads from this store reads from ``device`` afterwards."""
        self.x = self.x.to(device)
        return self

    def fingerprint(self) -> bytes:
        ends = self.x[[0, -1]] if len(self.x) else self.x
        return f"{self.x.dtype} {tuple(self.x.shape)}".encode() + ends.cpu().numpy().tobytes()


class FileStore:
    """Image files, decoded when they are asked for.

    Args:
        paths: one file a sample.
        size: height and width that images are resized to; ``None`` means that all have the size of the first.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        BadCall: if there is no file, or ``channels`` is neither.
    """

    def __init__(
        self, paths: Sequence[str | Path], *, size: tuple[int, int] | None, channels: int = 3
    ) -> None:
        if channels not in (1, 3):
            raise BadCall(f"channels must be 1 or 3, got {channels}")
        if not paths:
            raise BadCall("there is no image file to read")
        self.paths = tuple(str(path) for path in paths)
        self.channels = channels
        self.resize = size is not None
        self.size = size if size is not None else self._size_of(self.paths[0])

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, *self.size)

    @property
    def nbytes(self) -> int:
        return len(self.paths) * self.channels * self.size[0] * self.size[1]

    def gather(self, rows: Tensor) -> Tensor:
        """The images at ``rows``, uint8 of shape (rows, channels, height, width), on the CPU."""
        return torch.from_numpy(np.stack([self._decode(self.paths[row]) for row in rows.tolist()]))

    def decoded(self, threads: int = 4) -> TensorStore:
        """All images, as one tensor in memory."""
        x = np.empty((len(self.paths), *self.shape), dtype=np.uint8)

        def fill(chunk: range) -> None:
            for row in chunk:
                x[row] = self._decode(self.paths[row])

        chunks = [range(start, min(start + 256, len(x))) for start in range(0, len(x), 256)]
        with ThreadPoolExecutor(threads) as pool:  # decoding releases the interpreter lock
            for _ in pool.map(fill, chunks):
                pass
        return TensorStore(torch.from_numpy(x))

    def check_sizes(self) -> None:
        """Read the size of every image without decoding it; one that differs is a ``BadCall``."""
        if not self.resize:
            for path in self.paths:
                self._refuse_other_size(path, self._size_of(path))

    def fingerprint(self) -> bytes:
        names = "\n".join([str(self.shape), *(Path(path).name for path in self.paths)])
        ends = self.gather(torch.tensor([0, len(self) - 1]))
        return names.encode() + ends.numpy().tobytes()

    def _decode(self, path: str) -> np.ndarray:
        try:
            with Image.open(path) as file:
                image = file.convert("L" if self.channels == 1 else "RGB")
        except OSError as error:
            raise BadCall(f"{path} cannot be read as an image: {error}") from error
        height, width = self.size
        if image.size != (width, height):
            if not self.resize:
                self._refuse_other_size(path, (image.height, image.width))
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        array = np.asarray(image)
        return array[None] if self.channels == 1 else array.transpose(2, 0, 1)

    @staticmethod
    def _size_of(path: str) -> tuple[int, int]:
        try:
            with Image.open(path) as file:
                return file.height, file.width
        except OSError as error:
            raise BadCall(f"{path} cannot be read as an image: {error}") from error

    def _refuse_other_size(self, path: str, size: tuple[int, int]) -> None:
        if size != self.size:
            raise BadCall(
                f"{path} is {size[0]}x{size[1]} but {self.paths[0]} is {self.size[0]}x{self.size[1]}"
                " (height x width): set stream.size to have all images resized"
            )
