"""Teachers that make soft labels of what a person knows, and abstain where that says nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.teacher.base import Forward, Teacher

__all__ = ["Classes", "Labeller", "smoothed", "unknown_label"]

Classes = Literal["seen", "new"]
"""Classes that a sample can be of: all seen so far, or those of the current task, as in its training data."""


class Labeller(Teacher):
    """Says ``log p(class | sample)`` at the student's columns, classes by their names.

    In a task-incremental stream only the classes of a sample's own task compete; the columns of other tasks are NaN,
    as are, in any stream, those of classes that are not among ``classes``. A sample that is known to be of another
    class than those, such as a replayed one where ``classes`` is ``new``, is not taught.

    Args:
        classes: which classes a sample can be of: all that have been ``seen``, or the ``new`` ones of the task.
    """

    def __init__(self, classes: Classes) -> None:
        if classes not in get_args(Classes):
            raise BadCall(f"classes is one of {', '.join(map(repr, get_args(Classes)))}, not {classes!r}")
        self.classes: Classes = classes
        self.names: tuple[str, ...] = ()
        self.task: Task | None = None
        self.device = torch.device("cpu")

    @property
    def columns(self) -> tuple[int, ...] | None:
        return self.competing if self.task is not None else None

    @property
    def competing(self) -> tuple[int, ...]:
        """The columns of the classes that a sample can be of, sorted."""
        if self.task is None:
            raise RuntimeError(f"{type(self).__name__} was asked before a task had begun")
        return self.task.seen if self.classes == "seen" else tuple(sorted(set(self.task.new)))

    @property
    def ready(self) -> bool:
        return self.task is not None

    def begin(self, forward: Forward, device: torch.device) -> None:
        self.device = device

    def begin_task(self, task: Task) -> None:
        self.task = task

    def check_columns(self, columns: Sequence[str]) -> None:
        self.names = tuple(map(str, columns))
        self.check_labels(self.names)

    def check_labels(self, names: Sequence[str]) -> None:
        """Refuse labels of one's own that are no classes of the stream; ``names`` are those of its columns."""

    def name(self, column: int) -> str:
        """What the class of a column is called; its number where the stream has no names."""
        return self.names[column] if column < len(self.names) else str(column)

    def column(self, name: str) -> int | None:
        """The column of the class called ``name``, if there is one."""
        if name in self.names:
            return self.names.index(name)
        return int(name) if not self.names and name.isdecimal() else None

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        columns = self.competing
        # What is replayed inside the network is no sample that anybody could look at.
        if batch.at is not None or not len(batch):
            share, known = batch.x.new_zeros(len(batch), len(columns)), batch.y.new_zeros(len(batch)).bool()
        else:
            with torch.no_grad():
                share, known = self.label(batch)
        logits = torch.full((len(batch), max(columns, default=-1) + 1), torch.nan, device=batch.x.device)
        allowed = self.allowed(batch.label).to(logits.device)
        known = known.to(logits.device) & self._possible(batch.y.to(logits.device), allowed)
        said = share.to(logits).log().masked_fill(~known[:, None], 0.0)
        logits[:, list(columns)] = said.masked_fill(~allowed, torch.nan)
        return Said(logits, known=known)

    def _possible(self, y: Tensor, allowed: Tensor) -> Tensor:
        """Which samples are of a class that they can be of, or of no known one."""
        columns = torch.tensor(self.competing, dtype=torch.int64, device=y.device)
        return (y < 0) | ((y[:, None] == columns) & allowed).any(dim=1)

    def allowed(self, label: Tensor) -> Tensor:
        """Which of the competing classes samples of these task labels can be of: bool, shape (batch, competing)."""
        columns = torch.tensor(self.competing, dtype=torch.int64)
        table = torch.ones(len(label), len(columns), dtype=torch.bool)
        if self.task is not None and self.task.scenario == "task":
            for number in label.unique().tolist():
                group = torch.tensor(self.task.by_label.get(int(number), ()), dtype=torch.int64)
                table[(label == number).cpu()] = torch.isin(columns, group)
        return table

    @abstractmethod
    def label(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Soft labels over the competing classes, (batch, competing), and which samples they are known of (batch)."""


def smoothed(share: Tensor, allowed: Tensor, smoothing: float) -> Tensor:
    """``(1 - s) p + s / K`` over the K classes that each sample can be of, 0 elsewhere.

    Args:
        share: probabilities (batch, classes), each row of sum 1.
        allowed: which classes each sample can be of, (batch, classes).
        smoothing: s in [0, 1): the share that is spread evenly.

    >>> smoothed(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[True, True, False]]), 0.2)
    tensor([[0.9000, 0.1000, 0.0000]])
    """
    even = allowed / allowed.sum(dim=1, keepdim=True).clamp(min=1)
    return (1 - smoothing) * share + smoothing * even


def unknown_label(name: str, allowed: Iterable[str]) -> str:
    """That a label is no class of the stream, with the nearest of those that are."""
    known = list(allowed)
    hint = nearest(name, known)
    some = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    return f"{name!r} is no class of the stream." + (
        f" Did you mean {hint!r}?" if hint else f" Its classes: {some}."
    )
