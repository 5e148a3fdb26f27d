"""A model of the new task alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Task
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.multihead import MultiHead
from lifelong_kd.model.network import Network
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.frozen import FrozenTeacher

__all__ = ["Expert"]


class Expert(FrozenTeacher):
    """A model that has learned the current task alone, without regard to earlier ones (Lee et al. 2019).

    A phase trains it before the task's own training and hands it over with ``keep(model, task_index)``; until then, and
    in a task without such a phase, it is silent. It is forgotten when the next task begins. Global Distillation (arXiv
    1903.12648), Deep Model Consolidation (arXiv 1903.07864) and ANCL have such a teacher beside the
    snapshot.

    With a ``model`` of its own it is a larger teacher of the student, or an assistant of a size in between
    (Mirzadeh et al. 2020, arXiv 1902.03393).

    Args:
        model: its architecture, a name and options as in the part ``model`` of a configuration; built for the stream's
            samples, with a linear layer for its classes. That of the student if null.

    Example:
        >>> expert = Expert(model=("mlp", {"hidden": [400, 400]}))
        >>> expert.ready
        False
    """

    def __init__(self, *, model: Annotated[object, Component("model", later=True)] | None = None) -> None:
        super().__init__()
        self.model: Any = model
        self._now: int | None = None
        self._structure: dict[str, Any] | None = None

    @property
    def ready(self) -> bool:
        return self.module is not None and self.task_index == self._now

    def begin_task(self, task: Task) -> None:
        self._now = task.index
        if self.task_index != task.index:
            self.module = None
            self.task_index = -1

    def build(self, student: nn.Module, input_shape: Sequence[int], task: Task) -> Network:
        """A new network of the expert's own architecture, with the columns that the student has in ``task``.

        Its weights are drawn from torch's default generator; the caller seeds it.

        Raises:
            BadCall: if the model does not take such samples, or refuses its options.
        """
        student = unwrapped(student)
        own = isinstance(student, Network)
        self._structure = {
            "input_shape": [int(size) for size in input_shape],
            "columns": student.head.width if isinstance(student, Network) else max(task.seen) + 1,
            "head": "multihead" if own and isinstance(student.head, MultiHead) else "linear",
            "classes": [[label, list(classes)] for label, classes in task.by_label.items()],
        }
        return self._built(self._structure, student.state_dict())

    def _built(self, structure: Mapping[str, Any], like: Mapping[str, Tensor]) -> Network:
        network = build_network(
            tuple(structure["input_shape"]),
            structure["columns"],
            model=self.model,
            head=(structure["head"], {}),
        )
        for label, classes in structure["classes"]:
            network.grow(classes, label)
        precision = next((value.dtype for value in like.values() if value.is_floating_point()), torch.float32)
        return network.to(precision)

    def state_dict(self) -> dict[str, Any]:
        structure = self._structure if self.module is not None else None
        return {**super().state_dict(), "structure": structure}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        # One of an earlier task is about to be forgotten anyway.
        stale = self._now is not None and int(state["task"]) != self._now
        self._structure = None if stale else state["structure"]
        structure = self._structure
        # The values are loaded afterwards; what building draws must not be missing elsewhere.
        with torch.random.fork_rng(devices=[]):
            super().load_state_dict(
                {"task": -1} if stale else state,
                rebuild if structure is None else lambda task: self._built(structure, state["weights"]),
            )
