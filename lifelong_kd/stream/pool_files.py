"""One's own unlabelled samples, in an array or as image files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.stream.pool_held import HeldPool, in_memory_if_it_fits
from lifelong_kd.stream.store import FileStore, Store, TensorStore

__all__ = ["FilesPool"]


class FilesPool(HeldPool):
    """Samples of one's own: a ``.npy`` or ``.npz`` array, or all images in a folder and its subfolders.

    Arrays have the samples first, as (samples, height, width) for grey images, with channels for others or (samples,
    features) for vectors; ``uint8`` from 0 to 255, or floating point if the stream's are. Images of a folder are read
    in the stream's number of channels and resized (bilinear) to its size; up to 4 GiB are held decoded in memory.
    Samples are drawn with replacement.

    Args:
        path: the file or folder.
        key: the array's name in a ``.npz`` file; may be left out if it has only one.
        layout: where the channels of images in an array are.

    Raises:
        DataMissing: if there is nothing at ``path``.
        BadCall: if what is there cannot be read, or does not fit the stream.
    """

    def __init__(
        self,
        *,
        path: str,
        key: str | None = None,
        layout: Literal["channels_first", "channels_last"] = "channels_first",
    ) -> None:
        self.path = Path(path).expanduser()
        super().__init__(f"the pool {self.path}")
        if layout not in ("channels_first", "channels_last"):
            raise BadCall(f"layout is 'channels_first' or 'channels_last', not {layout!r}")
        self.key = key
        self.layout = layout
        if not self.path.exists():
            raise DataMissing(
                f"the pool's samples were not found in {self.path}: there is no such file or folder"
            )
        if self.path.is_dir():
            self._files = sorted(
                file for file in self.path.rglob("*") if file.suffix.lower() in IMG_EXTENSIONS
            )
            if not self._files:
                raise BadCall(f"{self.path} has no image; images end in {', '.join(IMG_EXTENSIONS)}")
        elif self.path.suffix not in (".npy", ".npz"):
            raise BadCall(f"{self.path} is neither a folder of images nor a .npy or .npz file")
        elif key is not None and self.path.suffix == ".npy":
            raise BadCall(f"{self.path} holds one array without a name: leave out the key {key!r}")

    def open(self, like: Tensor) -> Store:
        if not self.path.is_dir():
            return TensorStore(self._array(like.dim()))
        if like.dim() != 4 or like.shape[1] not in (1, 3) or like.dtype != torch.uint8:
            raise BadCall(
                f"{self.path} is a folder of images, but the stream's raw samples are {like.dtype} of shape"
                f" {tuple(like.shape[1:])}"
            )
        size = (like.shape[2], like.shape[3])
        return in_memory_if_it_fits(FileStore(self._files, size=size, channels=like.shape[1]))

    def _array(self, dims: int) -> Tensor:
        try:
            x = np.load(self.path, allow_pickle=False)
            if not isinstance(x, np.ndarray):
                with x:
                    x = x[self._key(x.files)]
        except (OSError, ValueError) as error:
            raise BadCall(f"{self.path} is no file of plain arrays: {error}") from error
        if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
            raise BadCall(f"{self.path} holds {x.dtype}; samples are uint8 (0 to 255) or floating point")
        if x.ndim == 4 and self.layout == "channels_last":
            x = np.moveaxis(x, -1, 1)
        if x.ndim == 3 and dims == 4:
            x = x[:, None]
        if x.ndim < 2:
            raise BadCall(
                f"{self.path} holds an array of shape {x.shape}; the samples come first, then their values"
            )
        if x.dtype != np.uint8:
            x = x.astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(x))

    def _key(self, names: list[str]) -> str:
        if self.key is None and len(names) == 1:
            return names[0]
        if self.key not in names:
            asked = "has several arrays" if self.key is None else f"has no array {self.key!r}"
            raise BadCall(f"{self.path} {asked}; set the key to one of {', '.join(names)}")
        return self.key
