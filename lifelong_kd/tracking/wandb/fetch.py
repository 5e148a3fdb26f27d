"""Models that lie on a W&B server: fetched once, kept in a folder of ours, checked each time they are used."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.wandb.child import PATIENCE, run_child

__all__ = ["Fetched", "fetch_model", "model_cache", "parse_artifact"]

VARIABLE = "LIFELONG_KD_MODELS"
FILE, ABOUT = "model.safetensors", "about.json"
# Only the last line of what the child says is read.
QUIET = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


@dataclass(frozen=True)
class Fetched:
    """A model out of an artifact.

    ``name`` is ``ENTITY/PROJECT/NAME:vN``, ``digest`` what its metadata say of the network, if they do.
    """

    path: Path
    name: str
    digest: str | None


def model_cache() -> Path:
    """Where fetched models are kept: ``$LIFELONG_KD_MODELS``, else ``~/.cache/lifelong_kd/models``."""
    return Path(os.environ.get(VARIABLE) or "~/.cache/lifelong_kd/models").expanduser()


def parse_artifact(reference: str) -> tuple[str | None, str, str, str]:
    """Entity (``None`` for the default one), project, name and tag of ``[ENTITY/]PROJECT/NAME[:TAG]``.

    Raises:
        BadCall: if it is not of this form.

    >>> parse_artifact("team/digits/c8e0efc5-task-4:best")
    ('team', 'digits', 'c8e0efc5-task-4', 'best')
    """
    match = re.fullmatch(r"(?:([\w.-]+)/)?([\w .-]+)/([\w.-]+)(?::([\w.-]+))?", reference)
    if match is None:
        raise BadCall(
            f"wandb:{reference} names no model: allowed is wandb:ENTITY/PROJECT/NAME:TAG, as in"
            " wandb:my-team/lifelong-kd/c8e0efc5-task-4:latest"
        )
    return match[1], match[2], match[3], match[4] or "latest"


def fetch_model(reference: str, *, timeout: float = 600.0) -> Fetched:
    """The model in the W&B artifact ``[ENTITY/]PROJECT/NAME[:TAG]``, downloaded unless it is here already.

    A version (``:v3``) that was fetched before is used without asking the server. For any other tag the server is
    asked what it means now; where it cannot be, it means what it meant the last time. Nothing is asked of the user.

    Args:
        reference: the artifact; the latest version if no tag is given.
        timeout: seconds after which the download is given up.

    Raises:
        BadCall: if there is no such artifact, it holds no model or several, or it is not here and cannot be fetched.
    """
    entity, project, name, tag = parse_artifact(reference)
    known = _known(entity, project, name, tag)
    if known is not None and re.fullmatch(r"v\d+", tag):
        return known
    if os.environ.get("WANDB_MODE") in ("offline", "dryrun"):
        found: dict[str, Any] = {"error": "unreachable", "why": "WANDB_MODE says offline"}
    else:
        found = _download(f"{entity}/" if entity else "", f"{project}/{name}:{tag}", timeout)
    if "error" not in found:
        return _keep(found, entity, project, name, tag)
    if known is not None and found["error"] != "unknown":
        sys.stderr.write(
            f"lifelong-kd: wandb:{reference} cannot be asked for ({found['why']}): using {known.name}, fetched before\n"
        )
        return known
    raise BadCall(f"wandb:{reference} {_refusal(found)}")


def _refusal(found: dict[str, Any]) -> str:
    if found["error"] == "unknown":
        return f"is not on the W&B server: {found['why']}"
    remedy = (
        "run `wandb login`, or set WANDB_API_KEY"
        if found["error"] == "key"
        else "connect, or give the file of a model or a run folder instead"
    )
    return f"cannot be fetched: {found['why']}; {remedy}"


def _download(entity: str, rest: str, timeout: float) -> dict[str, Any]:
    """What the process that downloads says; its files are in a folder beside the cache's own."""
    cache = model_cache()
    cache.mkdir(parents=True, exist_ok=True)
    place = tempfile.mkdtemp(prefix=".fetching-", dir=cache)
    source = str(Path(__file__).parents[3])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    # A user's own settings of how long to wait go first.
    environment = {**PATIENCE, **QUIET, **os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "lifelong_kd.tracking.wandb.download", entity + rest, place]
    found: dict[str, Any] = {}
    try:
        done = run_child(command, environment, timeout)
        lines = done.stdout.strip().splitlines()
        found = json.loads(lines[-1]) if done.returncode == 0 and lines else {}
        if not found:
            last = done.stderr.strip().rpartition("\n")[2][:300]
            found = {"error": "unreachable", "why": last or f"the download ended with {done.returncode}"}
    except subprocess.TimeoutExpired:
        found = {"error": "unreachable", "why": f"the W&B server did not answer within {timeout:g} s"}
    finally:
        if "error" in found or not found:
            shutil.rmtree(place, ignore_errors=True)
    return {**found, "place": place}


def _keep(found: dict[str, Any], entity: str | None, project: str, name: str, tag: str) -> Fetched:
    """Put a downloaded model where it is looked for the next time."""
    place = Path(found["place"])
    try:
        if found["file"] is None:
            raise BadCall(
                f"wandb:{found['name']} is no model: one .safetensors file is needed, found"
                f" {', '.join(found['files']) or 'no file'}"
            )
        path, _, version = found["name"].rpartition(":")
        folder = model_cache() / path / version
        folder.mkdir(parents=True, exist_ok=True)
        file = Path(found["file"])
        about = {"name": found["name"], "digest": found["digest"], "sha256": _sha256(file)}
        os.replace(file, folder / FILE)
        _write(folder / ABOUT, about)
        _write(_pointer(entity, project, name, tag), {"name": found["name"]})
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Fetched(folder / FILE, found["name"], found["digest"])


def _pointer(entity: str | None, project: str, name: str, tag: str) -> Path:
    """The file that says which version a tag meant when it was last asked for; ``_`` is the default entity."""
    return model_cache() / ".tags" / (entity or "_") / project / name / f"{tag}.json"


def _known(entity: str | None, project: str, name: str, tag: str) -> Fetched | None:
    """The model of a tag if it was fetched before and is still as it was."""
    pointer = _pointer(entity, project, name, tag)
    if pointer.is_file():
        path, _, version = json.loads(pointer.read_text(encoding="utf-8"))["name"].rpartition(":")
    elif entity is not None:
        path, version = f"{entity}/{project}/{name}", tag
    else:
        return None
    folder = model_cache() / path / version
    if not (folder / ABOUT).is_file() or not (folder / FILE).is_file():
        return None
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if _sha256(folder / FILE) != about["sha256"]:
        return None
    return Fetched(folder / FILE, about["name"], about["digest"])


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(data), encoding="utf-8")
    os.replace(part, path)
