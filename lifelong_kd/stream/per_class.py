"""Small data: a few training samples of each class in each task, the same ones whatever the order of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds

__all__ = ["few_of_each", "priority"]


def priority(samples: int, seeds: Seeds) -> Tensor:
    """A random rank for each training sample, int64 (samples,); those with the lowest are taken first.

    Drawn once for all tasks, under a name of its own (``per_class``): the samples that are taken depend on the run's
    seed only, not on the order of the classes, and those taken for 5 a class are among those taken for 10.

    Args:
        samples: number of training samples, those held out for validation included.
        seeds: the run's.
    """
    generator = torch.Generator().manual_seed(seeds.derive("per_class"))
    return torch.randperm(samples, generator=generator)


def few_of_each(
    y: Tensor, rank: Tensor, count: int, where: str, names: Sequence[str] | None = None
) -> Tensor:
    """Positions of the ``count`` samples of each class that have the lowest rank, in the order of the samples.

    Args:
        y: classes of a task's training samples, int64 (samples,).
        rank: of each, see :func:`priority`.
        count: samples of each class.
        where: the task, for the message.
        names: what the classes are called, for the message.

    Raises:
        BadCall: if ``count`` is less than 1, or a class has fewer samples: a point of a learning curve that is called
            N would not be one.

    >>> few_of_each(torch.tensor([0, 1, 0, 1, 0]), torch.tensor([4, 0, 2, 1, 3]), 2, "task 0")
    tensor([1, 2, 3, 4])
    """
    if count < 1:
        raise BadCall(f"stream.per_class must be at least 1, got {count}")
    classes, sizes = torch.unique(y, return_counts=True)
    few = [
        f"{repr(names[number]) if names else f'class {number}'} has {size}"
        for number, size in zip(classes.tolist(), sizes.tolist(), strict=True)
        if size < count
    ]
    if few:
        more = f" and {len(few) - 3} more classes have too few" if len(few) > 3 else ""
        raise BadCall(
            f"stream.per_class is {count}, but of the training samples of {where}, without those held out for"
            f" validation, {', '.join(few[:3])}{more}; at most {int(sizes.min())} can be asked for"
        )
    by_rank = rank.argsort()
    by_class = by_rank[y[by_rank].argsort(stable=True)]
    chosen = [rows[:count] for rows in by_class.split(sizes.tolist())]
    return torch.cat(chosen).sort().values
