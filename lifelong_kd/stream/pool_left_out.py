"""The samples of the task that have no label."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData
from lifelong_kd.stream.pool import Pool

__all__ = ["LeftOutPool"]


class LeftOutPool(Pool):
    """What ``stream.per_class`` leaves out of the current task's training data, without labels: weak supervision.

    Few samples of a task are labelled, and many are there: a teacher that needs no label, such as ``rules``,
    ``exemplars`` or a snapshot, teaches on these by a term with ``source: external``. None is of the validation or test
    data or of another task, and the pool has no way to their labels. They are drawn with replacement; a class that is
    more frequent in the data is so in the pool.

    Raises:
        BadCall: when a task begins of which nothing is left out, as with ``stream.per_class: null``, or of an Avalanche
            benchmark, of which it is not known.

    Example:
        stream: {name: split_digits, per_class: 10}
        strategy:
          name: compose
          pool: left_out
          teachers: {clerk: {name: rules, rules: [{statistic: mean, above: 0.36, label: "8"}]}}
          terms:
            clerk: {teacher: clerk, source: external, knowledge: {name: kd, temperature: 1.0}, over: seen}
    """

    def check(self, data: TaskData) -> None:
        if data.left_out is None:
            raise BadCall(
                "the pool 'left_out' draws what stream.per_class leaves out, which is not known of an Avalanche"
                " benchmark: take a stream of this project's, or another pool"
            )
        if data.left_out == 0:
            raise BadCall(
                "the pool 'left_out' draws the samples that stream.per_class leaves out, and of this task none is: set"
                " stream.per_class to fewer samples than each class has"
            )

    def draw(self, count: int, generator: torch.Generator, data: TaskData) -> Tensor:
        self.check(data)
        return data.raw_left_out(torch.randint(data.left_out or 0, (count,), generator=generator))
