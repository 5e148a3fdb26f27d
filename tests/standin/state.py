"""What the stand-in remembers: runs, artifacts and stored files, all in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ENTITY = "someone"
WHEN = "2026-01-01T00:00:00Z"
Answer = dict[str, Any]


@dataclass
class Run:
    """A run as the server has it; ``config`` and ``summary`` are plain, without W&B's wrappings."""

    entity: str
    project: str
    name: str
    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    raw_config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    state: str = "running"
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    used: list[Artifact] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"run-{self.number}"

    @property
    def path(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}"

    @property
    def display_name(self) -> str:
        return self.fields.get("displayName") or self.name

    @property
    def group(self) -> str | None:
        return self.fields.get("groupName")

    @property
    def job_type(self) -> str | None:
        return self.fields.get("jobType")

    @property
    def tags(self) -> list[str]:
        return self.fields.get("tags") or []

    @property
    def config(self) -> dict[str, Any]:
        return {key: item["value"] for key, item in self.raw_config.items() if key != "_wandb"}


@dataclass
class Artifact:
    """One version of an artifact; ``version`` is ``None`` until it is committed."""

    number: int
    entity: str
    project: str
    name: str
    type: str
    digest: str
    client_id: str
    aliases: set[str]
    metadata: dict[str, Any]
    description: str | None
    maker: Run | None
    version: int | None = None
    manifest: str | None = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"artifact-{self.number}"

    @property
    def collection(self) -> tuple[str, str, str]:
        return (self.entity, self.project, self.name)


@dataclass
class Sweep:
    """A sweep that hands out ``waiting``, one configuration (name to value) after the other."""

    entity: str
    project: str
    name: str
    config: str
    waiting: list[dict[str, Any]]
    agents: list[str] = field(default_factory=list)
    handed: int = 0


class State:
    """Everything on the server. ``url`` is set when it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.RLock()
        self.runs: list[Run] = []
        self.artifacts: list[Artifact] = []
        self.sweeps: list[Sweep] = []
        self.stored: dict[str, bytes] = {}
        self.operations: list[str] = []

    def find_run(self, entity: str | None, project: str | None, name: str | None) -> Run | None:
        wanted = (entity or ENTITY, project or "uncategorized", name)
        return next((run for run in self.runs if (run.entity, run.project, run.name) == wanted), None)

    def run(self, name: str) -> Run:
        """The one run of that id, whatever its project."""
        (found,) = (run for run in self.runs if run.name == name)
        return found

    def versions(self, entity: str, project: str, name: str) -> list[Artifact]:
        """The committed versions of a collection, oldest first."""
        wanted = (entity, project, name)
        there = [one for one in self.artifacts if one.collection == wanted and one.version is not None]
        return sorted(there, key=lambda one: one.version or 0)

    def artifact(self, reference: str, entity: str = ENTITY, project: str = "lifelong-kd") -> Artifact | None:
        """``NAME:ALIAS`` (or ``NAME:v0``) within a project."""
        name, _, alias = reference.partition(":")
        alias = alias or "latest"
        there = self.versions(entity, project, name)
        return next((one for one in there if alias in one.aliases or alias == f"v{one.version}"), None)

    def by_id(self, identity: str) -> Artifact | None:
        return next((one for one in self.artifacts if identity in (one.id, one.client_id)), None)

    def place(self, key: str) -> str:
        """The address under which the content of ``key`` is put and got."""
        return f"{self.url}/storage/{key}"


OPERATIONS: dict[str, Callable[[State, dict[str, Any]], Answer]] = {}
"""GraphQL operation -> its answer, given the state and the operation's variables."""


def answers(*names: str) -> Callable[[Callable[[State, dict[str, Any]], Answer]], Callable[..., Answer]]:
    """The function below answers these operations."""

    def register(function: Callable[[State, dict[str, Any]], Answer]) -> Callable[..., Answer]:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return register


def project_info(entity: str, project: str) -> Answer:
    """A project as it stands in other answers."""
    return {
        "id": f"project-{project}",
        "internalId": "1",
        "name": project,
        "entity": {"id": "E", "name": entity},
    }
