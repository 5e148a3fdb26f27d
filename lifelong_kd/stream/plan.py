"""A source read as tasks: which rows each task has, and which column stands for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Scenario
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.partition import cut, order_of
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.view import View

__all__ = ["Plan", "TaskPlan", "plan", "tasks_of_groups"]


@dataclass(frozen=True)
class TaskPlan:
    """One task before its data sets are made.

    ``column`` is the column of each original class, int64 (classes of the source,), -1 for classes of other tasks;
    ``classes`` the original classes in the order of their columns; ``domains``, if given, restricts the training rows.
    """

    label: int
    classes: tuple[int, ...]
    column: Tensor
    domains: tuple[int, ...] | None = None
    view: View | None = None

    def part(self, samples: Samples, among: Tensor | None, *, by_domain: bool) -> Part:
        """The task's rows of ``samples``.

        Args:
            samples: training or test samples.
            among: bool (samples,), the rows that may be taken; ``None`` is all.
            by_domain: whether only rows of the task's domains are taken.
        """
        target = self.column[samples.y]
        mine = target >= 0
        if among is not None:
            mine &= among
        if by_domain and self.domains is not None and samples.domain is not None:
            mine &= torch.isin(samples.domain, torch.tensor(self.domains))
        rows = mine.nonzero().squeeze(1)
        return Part(samples.store, rows, target[rows], self.label, self.view, samples.metadata)


@dataclass(frozen=True)
class Plan:
    """All tasks, the order the classes (or domains) come in, and the names of the columns."""

    tasks: tuple[TaskPlan, ...]
    class_order: tuple[int, ...]
    columns: tuple[str, ...]


def plan(
    source: Source,
    scenario: Scenario,
    experiences: int | Sequence[int] | Sequence[Sequence[int]],
    class_order: int | Sequence[int] | None,
    seeds: Seeds,
) -> Plan:
    """Read a source as a class-, task- or domain-incremental stream.

    * class, task: the class at position k of the class order has column k; in the task scenario the label is the task's
      index.
    * domain: every task has the same columns. Data with domains (CORe50's sessions) are cut by domain; data with views
      show all samples in each; any other data are cut by class, and a sample's column is the position of its class
      within its task, so that tasks need equally many classes (van de Ven, Tuytelaars, Tolias 2022).
    * views: in the class and task scenarios the columns of task t are those of view t.

    Raises:
        BadCall: if the data cannot be read so.
    """
    if source.views is not None:
        return _by_view(source, source.views, scenario, experiences, class_order)
    if scenario == "domain" and source.train.domain is not None:
        return _by_domain(source, source.train.domain, experiences, class_order, seeds)
    return _by_class(source, scenario, experiences, class_order, seeds)


def tasks_of_groups(source: Source, class_order: int | Sequence[int] | None, seeds: Seeds) -> list[list[int]]:
    """The classes of each task, where a group of classes that the data bring is a task.

    Args:
        source: has ``groups``.
        class_order: the order of the groups, or a seed for it.
        seeds: the run's; the name ``class_order`` is used if no order is given.

    Raises:
        BadCall: if the data bring no groups, or the order is not one of all groups.
    """
    if source.groups is None:
        raise BadCall(
            "stream.experiences is groups, but the data bring no groups of classes: give a number of tasks, or to a"
            " stream of texts the option 'groups', a file {group: [classes]}"
        )
    order = order_of(len(source.groups), class_order, seeds, what="group")
    return [list(source.groups[number]) for number in order]


def _columns(classes: Sequence[int], first: int, total: int) -> Tensor:
    column = torch.full((total,), -1, dtype=torch.int64)
    column[torch.tensor(classes)] = torch.arange(first, first + len(classes))
    return column


def _by_class(source: Source, scenario: Scenario, experiences: Any, class_order: Any, seeds: Seeds) -> Plan:
    names = source.class_names
    groups = cut(len(names), experiences, class_order, seeds)
    sizes = {len(group) for group in groups}
    if scenario == "domain" and len(sizes) > 1:
        raise BadCall(
            "in the domain scenario every task needs equally many classes, but the tasks have"
            f" {', '.join(str(len(group)) for group in groups)}: choose stream.experiences that divides {len(names)}"
        )
    tasks, first = [], 0
    for index, group in enumerate(groups):
        column = _columns(group, 0 if scenario == "domain" else first, len(names))
        tasks.append(TaskPlan(index if scenario == "task" else 0, tuple(group), column))
        first += len(group)
    order = tuple(number for group in groups for number in group)
    if scenario == "domain":
        columns = tuple("/".join(names[group[k]] for group in groups) for k in range(len(groups[0])))
    else:
        columns = tuple(names[number] for number in order)
    return Plan(tuple(tasks), order, columns)


def _by_domain(source: Source, domain: Tensor, experiences: Any, class_order: Any, seeds: Seeds) -> Plan:
    present = torch.unique(domain).tolist()
    groups = cut(len(present), experiences, class_order, seeds, what="domain")
    total = len(source.class_names)
    every = tuple(range(total))
    tasks = [
        TaskPlan(0, every, _columns(every, 0, total), domains=tuple(present[number] for number in group))
        for group in groups
    ]
    order = tuple(present[number] for group in groups for number in group)
    return Plan(tuple(tasks), order, tuple(source.class_names))


def _by_view(source: Source, views: Any, scenario: Scenario, experiences: Any, class_order: Any) -> Plan:
    if not isinstance(experiences, int) or experiences < 1:
        raise BadCall(
            "every task of this stream has all classes: stream.experiences must be a number of tasks"
        )
    if class_order is not None:
        raise BadCall("every task of this stream has all classes: stream.class_order has nothing to order")
    total = len(source.class_names)
    every = tuple(range(total))
    tasks, columns = [], []
    for index, view in enumerate(views(experiences)):
        first = 0 if scenario == "domain" else index * total
        label = index if scenario == "task" else 0
        tasks.append(TaskPlan(label, every, _columns(every, first, total), view=view))
        columns += [name if scenario == "domain" else f"{name}@{index}" for name in source.class_names]
    used = columns[:total] if scenario == "domain" else columns
    return Plan(tuple(tasks), every, tuple(used))
