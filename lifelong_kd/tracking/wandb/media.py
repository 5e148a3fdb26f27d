"""Pictures, tables and artifacts as the SDK takes them, made without its dearer steps."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.tracking.base import Value, number
from lifelong_kd.tracking.wandb.flat import plain

if TYPE_CHECKING:
    import wandb

__all__ = ["artifact_name", "make_artifact", "make_picture", "make_table"]


def make_picture(path: Path) -> wandb.Image:
    """The picture in ``path``, of which only the head is read.

    The SDK decodes every pixel to learn the size, which takes longer than all the rest. Where a release of it has no
    such step to leave out, this is its own ``Image``.
    """
    import wandb
    from PIL import Image

    class Picture(wandb.Image):
        def _initialize_from_path(self, path: str) -> None:
            self._set_file(path, is_tmp=False)
            with Image.open(path) as head:
                self._width, self._height = head.size
            self.format = Path(path).suffix[1:]

        @property
        def image(self) -> None:
            """Asked for the size, which is known."""
            return None

    return Picture(str(path))


def make_table(columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> wandb.Table:
    """A table with plain Python numbers in its cells."""
    import wandb

    _need_a_place()
    data: list[Any] = [[number(cell) for cell in row] for row in rows]
    return wandb.Table(columns=list(columns), data=data)


def _need_a_place() -> None:
    """The SDK makes a temporary folder when it is imported: a forked process that ends, or a cleaner, may remove it."""
    try:
        from wandb.sdk.data_types._private import MEDIA_TMP
    except ImportError:  # another release keeps it elsewhere
        return
    os.makedirs(MEDIA_TMP.name, exist_ok=True)


def artifact_name(name: str) -> str:
    """``name`` with a dash for whatever W&B does not allow in the name of an artifact.

    >>> artifact_name("a run:task 1")
    'a-run-task-1'
    """
    return re.sub(r"[^\w.-]", "-", name)


def make_artifact(
    path: Path | Sequence[Path], name: str, kind: str, metadata: Mapping[str, Any]
) -> wandb.Artifact:
    """An artifact of a file, a folder, or several of them.

    A model is not copied to a staging folder: it stays where it is until it is uploaded. What may change until then,
    such as results that reference runs are added to, is.
    """
    import wandb

    artifact = wandb.Artifact(artifact_name(name), type=kind, metadata=plain(metadata))
    for item in [path] if isinstance(path, Path) else path:
        add = artifact.add_dir if item.is_dir() else artifact.add_file
        add(str(item.resolve()), policy="immutable" if kind == "model" else "mutable", skip_cache=True)
    return artifact
