"""Models from elsewhere: a file, a run's model after a task, an artifact on a W&B server."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.model.saved import read_metadata

__all__ = ["FORMS", "Origin", "check_reference", "resolve_model"]

WANDB = "wandb:"
FORMS = "a .safetensors file, RUN or RUN:TASK for a run folder, or wandb:ENTITY/PROJECT/NAME:TAG"


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    ``name`` is what the model is called among artifacts: ``RUN_ID-task-K``, ``ENTITY/PROJECT/NAME:vN``, or the file's
    own name. ``digest`` is that of the network, as its file says, or of the file if it says none.
    """

    path: Path
    name: str
    digest: str

    @property
    def parent(self) -> dict[str, str]:
        """The model as a lineage notes it."""
        return {"name": self.name, "digest": self.digest}


def resolve_model(reference: str) -> Origin:
    """The model that ``reference`` names; one on a W&B server is fetched and kept.

    Args:
        reference: a file that ``lifelong-kd export`` wrote or one of a run's checkpoints; a run folder, ``runs/x``, for
            the model after its last task, ``runs/x:3`` for that after task 3; or ``wandb:ENTITY/PROJECT/NAME:TAG``,
            where the entity may be left out for one's own.

    Raises:
        BadCall: if it names no model, or the file is none of ours, or W&B has none or cannot be asked.
        DataMissing: if the file or folder is not there.
    """
    if reference.startswith(WANDB):
        return _from_wandb(reference.removeprefix(WANDB))
    path = _local(reference)
    return Origin(path, _name_of(path), _digest(path, read_metadata(path)))


def check_reference(reference: str) -> None:
    """Look whether ``reference`` can name a model, without the network.

    Raises:
        BadCall: if it is of no known form, or names a file that is none of ours.
        DataMissing: if the file or folder is not there.
    """
    if reference.startswith(WANDB):
        from lifelong_kd.tracking.wandb.fetch import parse_artifact

        parse_artifact(reference.removeprefix(WANDB))
    else:
        read_metadata(_local(reference))


def _from_wandb(artifact: str) -> Origin:
    from lifelong_kd.tracking.wandb.fetch import fetch_model

    fetched = fetch_model(artifact)
    digest = _digest(fetched.path, read_metadata(fetched.path))
    if fetched.digest is not None and fetched.digest != digest:
        raise BadCall(
            f"wandb:{fetched.name} holds a model with the digest {digest[:12]}, and its metadata say"
            f" {fetched.digest[:12]}: it is not the model that was logged"
        )
    return Origin(fetched.path, fetched.name, digest)


def _local(reference: str) -> Path:
    path = Path(reference).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _of_run(path, None)
    folder, colon, task = reference.rpartition(":")
    if colon and task.isdecimal() and Path(folder).expanduser().is_dir():
        return _of_run(Path(folder).expanduser(), int(task))
    raise DataMissing(f"the model {reference} is not there; allowed: {FORMS}")


def _of_run(run: Path, task: int | None) -> Path:
    there = {
        int(match[1]): file
        for file in (run / "checkpoints").glob("task_*.safetensors")
        if (match := re.fullmatch(r"task_(\d+)\.safetensors", file.name))
    }
    if not there:
        raise BadCall(f"{run} is a folder without the model of any task; allowed: {FORMS}")
    if task is not None and task not in there:
        known = ", ".join(map(str, sorted(there)))
        raise BadCall(f"{run} has no model after task {task}: it has them for tasks {known}")
    return there[max(there) if task is None else task]


def _name_of(path: Path) -> str:
    """The name under which a run that keeps the file noted it in its lineage, else the file's own."""
    try:
        noted = json.loads((path.parents[1] / "lineage.json").read_text(encoding="utf-8"))
        names = {model["file"]: str(model["name"]) for model in noted["models"]}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return path.name
    return names.get(f"{path.parent.name}/{path.name}", path.name)


def _digest(path: Path, metadata: dict[str, Any]) -> str:
    if "digest" in metadata:
        return str(metadata["digest"])
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
