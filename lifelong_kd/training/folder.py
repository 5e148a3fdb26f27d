"""The run folder: every file whole or absent, one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.training.interrupt import uninterrupted

__all__ = ["RunFolder", "check_folder", "sha256", "write_atomically"]


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it is never seen half-written: beside it, flushed to disk, then renamed.

    Raises:
        RunFailed: if the disk is full or cannot be written; what was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with uninterrupted():
            with open(beside, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as a RuntimeError of its own zip writer.
        beside.unlink(missing_ok=True)
        raise RunFailed(f"{path} could not be written: {error}") from error


class _Dumper(yaml.SafeDumper):
    """Quotes texts that some reading of YAML takes for a number, such as ``1e3``."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text[:1].isalpha() else "'")


_Dumper.add_representer(str, _text)


class RunFolder:
    """A folder that holds one run; see the README for its files.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock: IO[str] | None = None

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    def lock(self) -> None:
        """Claim the folder for this process; the claim ends with the process, however it ends.

        Raises:
            BadCall: if another process has it, or if it cannot be made.
            RunFailed: if the disk is full.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = open(self.path / ".lock", "a+", encoding="utf-8")  # noqa: SIM115 - held while the run lives
        except OSError as error:
            raise BadCall(f"the run folder {self.path} cannot be written: {error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            refusal = self._in_use(file)
            file.close()
            raise refusal from error
        try:
            file.seek(0)
            file.truncate()
            os.write(file.fileno(), str(os.getpid()).encode())
        except OSError as error:
            file.close()
            raise RunFailed(f"the run folder {self.path} cannot be written: {error}") from error
        self._lock = file

    def refuse_in_use(self) -> None:
        """Look whether another process has the folder, without claiming or writing anything.

        Raises:
            BadCall: if one has.
        """
        path = self.path / ".lock"
        if not path.is_file():
            return
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                raise self._in_use(file) from error

    def _in_use(self, file: IO[str]) -> BadCall:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        return BadCall(
            f"the run folder {self.path} is in use by process {owner}: wait for it, stop it, or give another --out"
        )

    def unlock(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def sweep(self) -> None:
        """Remove what a killed process had half-written; only for who has the lock."""
        for place in (self.path, self.checkpoints):
            for left in place.glob(".*.part"):
                left.unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        write_atomically(self.path / name, lambda file: file.write(text.encode()))

    def write_json(self, name: str, value: object) -> None:
        self.write_text(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def write_yaml(self, name: str, value: Mapping[str, Any]) -> None:
        self.write_text(name, yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True))

    def read_json(self, name: str) -> Any:
        """The content of a JSON file, or ``None`` if there is no such file.

        Raises:
            BadCall: if it is not JSON.
        """
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadCall(f"{path} is not JSON: {error}") from error


def check_folder(folder: RunFolder, *, resume: bool) -> None:
    """Refuse a folder that holds what the call does not expect, before anything is written.

    Raises:
        BadCall: if there is nothing to resume, nothing left to do, or a run that would be overwritten.
    """
    results = folder.read_json("results.json")
    finished = isinstance(results, dict) and results.get("status") == "finished"
    path = folder.path
    if resume:
        # A run that was killed at its very start has its configuration and nothing else.
        if not (path / "config.yaml").is_file():
            raise BadCall(f"there is no run to resume in {path}")
        if finished:
            raise BadCall(f"the run in {path} is finished; there is nothing to resume")
    elif (path / "config.yaml").exists():
        advice = (
            "give another --out"
            if finished
            else f"go on with 'lifelong-kd resume {path}', or give another --out"
        )
        raise BadCall(f"{path} already holds a {'finished' if finished else 'started'} run: {advice}")
    elif path.exists() and not path.is_dir():
        raise BadCall(f"{path} is a file, not a folder: give another --out")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
