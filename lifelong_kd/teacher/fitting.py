"""Whether rules that a person wrote can say anything about the samples of a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.stream.text import as_texts
from lifelong_kd.teacher.rule import Rule

__all__ = ["check_fit", "shown"]


def check_fit(rules: Sequence[Rule], task: Task, data: TaskData, column: Callable[[str], int | None]) -> None:
    """Refuse rules that look at what the samples of a task are not, or do not have.

    Args:
        rules: of these, those that are written as mappings; a function may have its reasons to raise at a sample.
        task: the task.
        data: its training data.
        column: of a class, by its name.

    Raises:
        BadCall: naming the rule.
    """
    if not len(data.targets):
        return
    sample = shown(data.raw(torch.zeros(1, dtype=torch.int64)))[0]
    for rule in rules:
        if rule.look == "sample" and rule.labels:
            try:
                rule.says(sample)
            except Exception as error:
                raise BadCall(f"{rule.name} does not fit this stream: {error}") from error
    # A field may be kept of a few classes only: it is missed where the class that it tells is first met.
    first = set(task.new) - set(task.old)
    fields = {rule.name: rule.field for rule in rules if rule.field and first & {*map(column, rule.labels)}}
    if not fields:
        return
    known = {name for about in data.about(torch.arange(len(data.targets))) for name in about}
    for name, field in fields.items():
        if known and field not in known:
            hint = nearest(field, sorted(known))
            raise BadCall(
                f"{name}: no training sample of task {task.index} has the field {field!r}."
                + (f" Did you mean {hint!r}?" if hint else f" Their fields: {', '.join(sorted(known))}.")
            )


def shown(raw: Tensor) -> Sequence[Any]:
    """Samples as a rule sees them: texts, or tensors in [0, 1]."""
    if raw.dtype == torch.uint8 and raw.dim() == 2:
        return as_texts(raw)
    return list(raw.float() / 255 if raw.dtype == torch.uint8 else raw)
