"""Examples that a person picked for each class: texts, image files, or rows of the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData
from lifelong_kd.stream.store import FileStore
from lifelong_kd.stream.text import as_bytes
from lifelong_kd.teacher.written import read_written

__all__ = ["first_rows", "picked", "read_picks", "unknown"]

Pick = str | int


def read_picks(path: str) -> dict[str, list[Pick]]:
    """The examples of each class in a YAML or JSON file ``{class: [example, ...]}``.

    Raises:
        DataMissing: if there is no such file.
        BadCall: if it holds something else, or a class has no example.
    """
    found = read_written(path, "exemplars")
    if not isinstance(found, Mapping) or not found:
        raise BadCall(f"{path} holds no mapping from classes to lists of examples")
    for name, picks in found.items():
        if not isinstance(picks, list) or not picks or not all(isinstance(one, str | int) for one in picks):
            raise BadCall(
                f"{path}: the examples of {name!r} are a list of texts, image files or row numbers, found {picks!r}"
            )
    return {str(name): list(picks) for name, picks in found.items()}


def picked(picks: Sequence[Pick], name: str, column: int, data: TaskData, folder: Path) -> Tensor:
    """Picked examples of one class as raw samples of the stream.

    Args:
        picks: texts or names of image files, relative to ``folder``; or n for the n-th training sample of the class.
        name: what the class is called.
        column: its column.
        data: the training data of its task.
        folder: where image files are.

    Raises:
        BadCall: for a row that there is not, or an image that cannot be read.
    """
    like = data.raw(torch.zeros(1, dtype=torch.int64))
    mine = (data.targets == column).nonzero().squeeze(1)
    made: list[Tensor] = []
    for pick in picks:
        if isinstance(pick, int):
            if not 0 <= pick < len(mine):
                raise BadCall(
                    f"the exemplar {pick} of class {name!r} is no row: the task has {len(mine)} training samples of it,"
                    " counted from 0"
                )
            made.append(data.raw(mine[pick : pick + 1]))
        elif like.dtype == torch.uint8 and like.dim() == 2:
            made.append(as_bytes([pick], like.shape[1]))
        elif like.dim() == 4 and like.shape[1] in (1, 3):
            height, width = like.shape[2:]
            store = FileStore(
                [folder / Path(pick).expanduser()], size=(height, width), channels=like.shape[1]
            )
            image = store.gather(torch.zeros(1, dtype=torch.int64))
            made.append(image if like.dtype == torch.uint8 else image.to(like) / 255)
        else:
            raise BadCall(
                f"the exemplar {pick!r} of class {name!r} is no row, and the stream holds neither texts nor images"
            )
    return torch.cat([one.to(like) for one in made])


def first_rows(data: TaskData, column: int, count: int) -> Tensor:
    """The first ``count`` training samples of a class, or all if there are fewer, as raw samples."""
    return data.raw((data.targets == column).nonzero().squeeze(1)[:count])


def unknown(names: Mapping[str, Any], columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of what was written about classes: those that the stream does not have, and those of its that are missing."""
    return [name for name in names if name not in columns], [name for name in columns if name not in names]
