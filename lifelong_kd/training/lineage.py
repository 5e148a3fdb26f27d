"""Who taught whom: the models of a run, and the models that each was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifelong_kd.teacher.base import Teacher
from lifelong_kd.training.folder import RunFolder

__all__ = ["NAME", "Lineage", "artifact_name"]

NAME = "lineage.json"


def artifact_name(run_id: str, task: int) -> str:
    """What the student after a task is called among the artifacts.

    >>> artifact_name("c8e0efc5", 2)
    'c8e0efc5-task-2'
    """
    return f"{run_id}-task-{task}"


class Lineage:
    """Keeps ``lineage.json``: for the student after each task its file, digest, classes and parents.

    A parent is ``{"name", "digest", "role"}``. Its role is ``student`` for the model that training began with, and
    ``teacher <name>`` for one that taught: the earlier students that a teacher is made of, or the model that an
    external one was read from.

    Args:
        folder: the run folder.
        run_id: the run's identity for life.
    """

    def __init__(self, folder: RunFolder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id

    def read(self) -> list[dict[str, Any]]:
        """The models so far, one a task."""
        data = self._folder.read_json(NAME)
        return list(data["models"]) if isinstance(data, dict) else []

    def parents(
        self,
        task: int,
        teachers: Mapping[str, Teacher],
        origin: Mapping[str, str] | None = None,
        *,
        anew: bool = False,
    ) -> list[dict[str, str]]:
        """The models that the student of ``task`` was made from, as far as they are kept anywhere.

        Args:
            task: whose student.
            teachers: those of the strategy, by name.
            origin: name and digest of the model that the first task's student began with.
            anew: whether the student began the task with weights that were drawn for it.
        """
        earlier = {entry["task"]: entry for entry in self.read()}
        found: list[dict[str, str]] = []

        def add(number: int, role: str) -> None:
            if number in earlier:
                entry = earlier[number]
                found.append({"name": entry["name"], "digest": entry["digest"], "role": role})

        if not anew:
            add(task - 1, "student")
        if task == 0 and origin is not None and not anew:
            found.append({**origin, "role": "student"})
        for name, teacher in teachers.items():
            for number in teacher.earlier_students(task):
                add(number, f"teacher {name}")
            if teacher.origin is not None:
                found.append({**teacher.origin, "role": f"teacher {name}"})
        return found

    def add(
        self, task: int, file: str, digest: str, classes: list[str], parents: list[dict[str, str]]
    ) -> None:
        """Note the student after ``task``; what was noted of it and of later ones before a restart is replaced."""
        models = [entry for entry in self.read() if entry["task"] < task]
        models.append(
            {
                "task": task,
                "name": artifact_name(self._run_id, task),
                "file": file,
                "digest": digest,
                "classes": classes,
                "parents": parents,
            }
        )
        self._folder.write_json(NAME, {"run_id": self._run_id, "models": models})
