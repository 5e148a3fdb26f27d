"""CORe50: fifty objects filmed in eleven sessions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import torch
from avalanche.benchmarks.datasets import CORe50Dataset

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.root import data_root, found_or_downloaded
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import FileStore

__all__ = ["core50"]

TEST_SESSIONS = (3, 7, 10)
CATEGORIES = (
    "plug adapter",
    "mobile phone",
    "scissors",
    "light bulb",
    "can",
    "glasses",
    "ball",
    "marker",
    "cup",
    "remote control",
)


def core50(
    root: Path | None,
    seeds: Seeds,
    *,
    level: Literal["object", "category"] = "object",
    mini: bool = False,
    size: int | None = None,
    download: bool = True,
) -> Source:
    """CORe50: 164,866 frames of 50 objects in 11 sessions, 128x128, RGB (Lomonaco and Maltoni 2017, arXiv 1705.03550).

    Sessions 3, 7 and 10 are the test set. In the domain scenario the eight training sessions come one after the other
    (``experiences: 8`` gives each a task of its own), and the whole test set is the test of every task; in the class
    and task scenarios the classes are split.

    Args:
        level: tell 50 objects or 10 categories apart.
        mini: read the 32x32 version.
        size: side that images are resized to, in pixels; null keeps them as they are.
        download: fetch the data if they are not in ``root/core50``.
    """
    folder = data_root(root) / "core50"
    name = "core50_32x32" if mini else "core50_128x128"

    def read(fetch: bool) -> list[tuple[str, int, int]]:
        if fetch:
            CORe50Dataset(folder, mini=mini, download=True)
        return _frames(folder / name)

    layout = f"{name}/ with s1/o1/C_01_01_000.png and so on"
    frames = found_or_downloaded("CORe50", folder, read, download=download, layout=layout)
    side = size if size is not None else (32 if mini else 128)
    div = 1 if level == "object" else 5
    train = [frame for frame in frames if frame[1] not in TEST_SESSIONS]
    test = [frame for frame in frames if frame[1] in TEST_SESSIONS]
    names = [f"{CATEGORIES[k // 5]} {k % 5 + 1}" for k in range(50)] if div == 1 else list(CATEGORIES)
    return Source(_samples(train, side, div), _samples(test, side, div), tuple(names))


def _frames(folder: Path) -> list[tuple[str, int, int]]:
    """Path, session and object (0 to 49) of every frame, in the order of session, object and name."""
    found = []
    for session in folder.iterdir():
        for thing in session.iterdir():
            place = re.fullmatch(r"s(\d+)/o(\d+)", f"{session.name}/{thing.name}")
            if place is not None:
                number, index = int(place[1]), int(place[2]) - 1
                found += [(str(path), number, index) for path in thing.glob("*.png")]
    if not found:
        raise FileNotFoundError(f"{folder} has no frames")
    return sorted(found, key=lambda frame: (frame[1], frame[2], frame[0]))


def _samples(frames: list[tuple[str, int, int]], side: int, div: int) -> Samples:
    return Samples(
        store=FileStore([path for path, _, _ in frames], size=(side, side)),
        y=torch.tensor([thing // div for _, _, thing in frames]),
        domain=torch.tensor([session for _, session, _ in frames]),
    )
