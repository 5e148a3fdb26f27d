"""The models after all earlier tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.teacher.base import Forward, Rebuild, Teacher

__all__ = ["AllSnapshots"]


class AllSnapshots(Teacher):
    """The student as it was after each earlier task, every class said by the model of its own task.

    Column c is the mean of what the snapshots of the tasks with class c say of it: one snapshot in a class- or
    task-incremental stream, all of them in a domain-incremental one. A chain of single snapshots hands on what each
    student made of its teacher; here every class is taught by the model that learned it from data (compare M2KD, Zhou
    et al. 2019, arXiv 1904.01769, which keeps pruned ones). Columns of one model stand beside those of another, which
    were never trained to be compared: give the term ``over: per_task`` to compare the classes of each task alone.

    Costs one network for each task in memory and in checkpoints, and as many forward passes a batch.

    Example:
        >>> AllSnapshots().ready
        False
    """

    def __init__(self) -> None:
        self.modules: dict[int, nn.Module] = {}
        self._classes: dict[int, tuple[int, ...]] = {}
        self._labels: dict[int, int] = {}
        self._forward: Forward | None = None
        self._device = torch.device("cpu")

    @property
    def ready(self) -> bool:
        return bool(self.modules)

    @property
    def columns(self) -> tuple[int, ...] | None:
        return tuple(sorted({column for classes in self._classes.values() for column in classes}))

    def earlier_students(self, task: int) -> Sequence[int]:
        return range(task)

    def begin(self, forward: Forward, device: torch.device) -> None:
        self._forward = forward
        self._device = device

    def observe(self, model: nn.Module, task: Task) -> None:
        self._note(task.index, frozen_copy(model), task.new, task.label)

    def _note(self, index: int, module: nn.Module, classes: tuple[int, ...], label: int) -> None:
        self.modules[index] = module
        self._classes[index] = tuple(sorted(classes))
        self._labels[index] = label

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        if not self.modules or self._forward is None:
            raise RuntimeError("AllSnapshots was asked before it had a network")
        with torch.no_grad():
            said = {
                index: self._forward(module, batch.x, batch.label, at=batch.at)
                for index, module in self.modules.items()
            }
            heads = {index: one.heads for index, one in said.items()}
            if any(found is not None for found in heads.values()):
                return Said(batch.x.new_empty(len(batch), 0), heads=self._own_heads(heads))
            return Said(self._own_columns({index: one.logits for index, one in said.items()}))

    def _own_columns(self, said: Mapping[int, Tensor]) -> Tensor:
        first = next(iter(said.values()))
        total = first.new_zeros(len(first), max(self.columns or (-1,)) + 1)
        count = first.new_zeros(total.shape[1])
        for index, logits in said.items():
            mine = list(self._classes[index])
            total[:, mine] += logits[:, mine]
            count[mine] += 1
        # 0 / 0 leaves NaN where no snapshot has learned the class.
        return total / count

    def _own_heads(self, said: Mapping[int, Mapping[int, Tensor] | None]) -> dict[int, Tensor]:
        """Each task label's head as the snapshots of its tasks say it, of networks with separate heads."""
        by_label: dict[int, list[Tensor]] = {}
        for index, heads in said.items():
            if heads is not None:
                by_label.setdefault(self._labels[index], []).append(heads[self._labels[index]])
        return {label: torch.stack(parts).mean(dim=0) for label, parts in by_label.items()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "tasks": [
                {
                    "task": index,
                    "classes": list(self._classes[index]),
                    "label": self._labels[index],
                    "weights": dict(module.state_dict()),
                }
                for index, module in self.modules.items()
            ]
        }

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        self.modules, self._classes, self._labels = {}, {}, {}
        for kept in state["tasks"]:
            module = frozen_copy(rebuild(int(kept["task"]))).to(self._device)
            module.load_state_dict(kept["weights"])
            self._note(int(kept["task"]), module, tuple(kept["classes"]), int(kept["label"]))
