"""One's own data, as arrays in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.root import data_root, missing
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore

__all__ = ["arrays"]

KEYS = ("x_train", "y_train", "x_test", "y_test")


def arrays(
    root: Path | None,
    seeds: Seeds,
    *,
    file: str = "arrays.npz",
    layout: Literal["channels_first", "channels_last"] = "channels_first",
) -> Source:
    """Arrays of one's own: ``x_train``, ``y_train``, ``x_test``, ``y_test`` in one ``.npz`` file.

    ``x`` is ``uint8`` from 0 to 255 (which becomes 0 to 1) or floating point (which stays as it is): vectors (samples,
    features), grey images (samples, height, width) or images with channels. ``y`` holds integers or texts; classes are
    numbered in their sorted order. Integers ``domain_train`` and ``domain_test``, if there, cut the domain scenario.

    Args:
        file: the file, relative to ``root``.
        layout: where the channels of images are.
    """
    path = data_root(root) / file
    if not path.is_file():
        remedy = f"Write it with numpy.savez(file, {', '.join(f'{key}=...' for key in KEYS)}),"
        raise missing(file, path.parent, f"{remedy} and set stream.root and stream.file.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise BadCall(f"{path} is no .npz file of plain arrays: {error}") from error
    absent = [key for key in KEYS if key not in data]
    if absent:
        raise BadCall(f"{path} has no {', '.join(absent)}; it has {', '.join(data)}")
    classes = np.unique(data["y_train"])
    unknown = np.setdiff1d(data["y_test"], classes)
    if len(unknown):
        raise BadCall(f"{path}: y_test has classes that y_train has not: {unknown.tolist()}")
    train, test = (
        Samples(
            store=TensorStore(_x(data[f"x_{split}"], f"{path}: x_{split}", layout)),
            y=torch.from_numpy(np.searchsorted(classes, _y(data[f"y_{split}"], f"{path}: y_{split}"))),
            domain=torch.from_numpy(data[f"domain_{split}"].astype(np.int64))
            if f"domain_{split}" in data
            else None,
        )
        for split in ("train", "test")
    )
    return Source(train, test, tuple(str(name) for name in classes.tolist()))


def _x(x: np.ndarray, where: str, layout: str) -> torch.Tensor:
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise BadCall(f"{where} must be uint8 or floating point, got {x.dtype}")
    if x.ndim not in (2, 3, 4):
        raise BadCall(f"{where} must have 2, 3 or 4 dimensions with the samples first, got shape {x.shape}")
    if x.dtype != np.uint8:
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise BadCall(f"{where} has values that are not finite")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and layout == "channels_last":
        x = x.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(x))


def _y(y: np.ndarray, where: str) -> np.ndarray:
    if y.ndim != 1 or not (np.issubdtype(y.dtype, np.integer) or y.dtype.kind == "U"):
        raise BadCall(f"{where} must be one integer or text a sample, got {y.dtype} of shape {y.shape}")
    return y
