"""Data sets of tasks as one Avalanche benchmark that every Avalanche strategy accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avalanche.benchmarks.scenarios.deprecated.classification_scenario import GenericCLScenario

__all__ = ["make_benchmark"]


def make_benchmark(
    datasets: Mapping[str, Sequence[Any]], labels: Sequence[set[int]], classes: Sequence[Sequence[int]]
) -> Any:
    """A benchmark whose items are ``(x, y, task label)``.

    The older of Avalanche's two kinds of benchmark, since LwF, iCaRL, DER and multi-head models fail on the newer one.

    Args:
        datasets: ``train``, ``test`` and perhaps ``valid``: one data set a task.
        labels: the task labels of each task.
        classes: the columns of each task, in order.
    """
    benchmark = GenericCLScenario(
        stream_definitions={name: (list(tasks), list(labels)) for name, tasks in datasets.items()}
    )
    order = [column for columns in classes for column in columns]
    # Avalanche's class-incremental scenario has these three, and its iCaRL reads them.
    benchmark.n_classes_per_exp = [len(columns) for columns in classes]
    benchmark.classes_order = order
    benchmark.n_classes = len(set(order))
    return benchmark
