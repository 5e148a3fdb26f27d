"""Which classes (or domains) come when: their order, and how it is cut into tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds

__all__ = ["cut", "order_of"]


def order_of(
    count: int, class_order: int | Sequence[int] | None, seeds: Seeds, what: str = "class"
) -> list[int]:
    """The order in which ``count`` classes come.

    Args:
        count: how many there are.
        class_order: a seed of its own, the order itself, or ``None`` for one drawn from the run's seed.
        seeds: the run's.
        what: what is ordered, for messages.

    Raises:
        BadCall: if a given order is not a permutation of ``0 .. count - 1``.
    """
    if class_order is None or isinstance(class_order, int):
        seed = seeds.derive("class_order") if class_order is None else class_order
        return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return _checked(list(class_order), count, "stream.class_order", what)


def _checked(order: list[int], count: int, key: str, what: str) -> list[int]:
    known = set(range(count))
    plural = "classes" if what == "class" else f"{what}s"
    complaints = [
        f"{text}: {values}"
        for text, values in (
            (f"in no task: {what}", sorted(known - set(order))),
            ("more than once", sorted({value for value in order if order.count(value) > 1})),
            (f"not a {what} (there are {plural} 0 to {count - 1})", sorted(set(order) - known)),
        )
        if values
    ]
    if complaints:
        raise BadCall(f"{key} must name each of the {count} {plural} once; " + "; ".join(complaints))
    return order


def cut(
    count: int,
    experiences: int | Sequence[int] | Sequence[Sequence[int]],
    class_order: int | Sequence[int] | None,
    seeds: Seeds,
    what: str = "class",
) -> list[list[int]]:
    """The classes of each task.

    A number of tasks that does not divide the classes gives the first tasks one class more; nothing is dropped.

    Args:
        count: how many classes there are.
        experiences: the number of tasks, the number of classes of each, or the classes of each.
        class_order: see :func:`order_of`.
        seeds: the run's.
        what: what is cut, for messages.

    Raises:
        BadCall: for an empty task, a class in no task or in two, or an order given twice.

    >>> cut(5, 2, [4, 3, 2, 1, 0], Seeds(0))
    [[4, 3, 2], [1, 0]]
    >>> cut(5, [1, 4], [4, 3, 2, 1, 0], Seeds(0))
    [[4], [3, 2, 1, 0]]
    """
    plural = "classes" if what == "class" else f"{what}s"
    if isinstance(experiences, int):
        if not 1 <= experiences <= count:
            raise BadCall(
                f"stream.experiences is {experiences}, but {count} {plural} can fill 1 to {count} tasks"
            )
        pieces = np.array_split(order_of(count, class_order, seeds, what), experiences)
        return [piece.tolist() for piece in pieces]
    counts = [task for task in experiences if isinstance(task, int)]
    lists = [list(task) for task in experiences if not isinstance(task, int)]
    if counts and lists:
        raise BadCall("stream.experiences mixes counts and lists: give one or the other")
    sizes = counts or [len(task) for task in lists]
    empty = [index for index, size in enumerate(sizes) if size < 1]
    if empty or not experiences:
        raise BadCall(
            f"stream.experiences has no {what} for task {empty[0] if empty else 0}: a task needs at least one"
        )
    if lists:
        if class_order is not None:
            raise BadCall(
                "stream.experiences lists the classes of each task, so stream.class_order must not be given"
            )
        _checked([member for task in lists for member in task], count, "stream.experiences", what)
        return lists
    if sum(counts) != count:
        left = count - sum(counts)
        problem = f"{left} {plural} are in no task" if left > 0 else f"that is {-left} more than there are"
        raise BadCall(f"stream.experiences adds up to {sum(counts)} of {count} {plural}: {problem}")
    order = order_of(count, class_order, seeds, what)
    ends = np.cumsum(counts)
    return [order[end - size : end] for end, size in zip(ends, counts, strict=True)]
