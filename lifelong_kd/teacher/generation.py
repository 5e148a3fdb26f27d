"""The student of an earlier round of the same task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lifelong_kd.core.types import Task
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["Generation"]


class Generation(Snapshot):
    """The student as another round of this task left it, frozen: the teacher of a born-again network.

    Silent unless a loop of rounds gives it a network (:meth:`become`), and again when the next task begins.

    Paper: Furlanello et al., "Born-Again Neural Networks" (ICML 2018, arXiv:1805.04770).
    """

    def begin_task(self, task: Task) -> None:
        self.module = None
        self.cache = None

    def earlier_students(self, task: int) -> Sequence[int]:
        return ()

    def observe(self, model: nn.Module, task: Task) -> None:
        """Nothing: it teaches within a task only."""

    def become(self, weights: Mapping[str, Any], task: int, rebuild: Rebuild) -> None:
        """Teach from now on what a network with these weights says.

        Args:
            weights: its ``state_dict``.
            task: the task after which the student has that structure.
            rebuild: makes a network of that structure.
        """
        self.load_state_dict({"task": task, "weights": weights, "corrected": None}, rebuild)
