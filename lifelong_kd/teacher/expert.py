"""A model of the new task alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifelong_kd.core.types import Task
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.frozen import FrozenTeacher

__all__ = ["Expert"]


class Expert(FrozenTeacher):
    """A model that has learned the current task alone, without regard to earlier ones (Lee et al. 2019).

    A phase trains it before the task's own training and hands it over with ``keep(model, task_index)``; until then, and
    in a task without such a phase, it is silent. It is forgotten when the next task begins. Global Distillation (arXiv
    1903.12648), Deep Model Consolidation (arXiv 1903.07864) and ANCL have such a teacher beside the
    snapshot.

    Example:
        >>> expert = Expert()
        >>> expert.ready
        False
    """

    def __init__(self) -> None:
        super().__init__()
        self._now: int | None = None

    @property
    def ready(self) -> bool:
        return self.module is not None and self.task_index == self._now

    def begin_task(self, task: Task) -> None:
        self._now = task.index
        if self.task_index != task.index:
            self.module = None
            self.task_index = -1

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        # One of an earlier task is about to be forgotten anyway.
        stale = self._now is not None and int(state["task"]) != self._now
        super().load_state_dict({"task": -1} if stale else state, rebuild)
