"""Any Avalanche benchmark as a stream."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from avalanche.benchmarks.scenarios.deprecated.classification_scenario import GenericCLScenario
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Scenario
from lifelong_kd.stream.attribute import attribute_values
from lifelong_kd.stream.benchmark import make_benchmark
from lifelong_kd.stream.dataset import task_aware
from lifelong_kd.stream.per_class import few_of_each, priority
from lifelong_kd.stream.stream import Stream, StreamTask
from lifelong_kd.stream.validation import held_out

__all__ = ["wrap_benchmark"]


def wrap_benchmark(
    name: str,
    benchmark: Any,
    *,
    scenario: Scenario,
    validation: float,
    seeds: Seeds,
    per_class: int | None = None,
) -> Stream:
    """An Avalanche benchmark of either kind as a stream; columns are its classes as it numbers them.

    Without a validation stream of its own, one is carved from each training experience, class by class.

    Args:
        name: what the stream is called.
        benchmark: has ``train_stream`` and ``test_stream`` of equally many experiences, and perhaps ``valid_stream``.
        scenario: must be what the benchmark is: ``task`` if its samples carry different task labels, ``domain`` if all
            experiences have the same classes, else ``class``.
        validation: share of each class's training data that is held out; 0 for none.
        seeds: the run's.
        per_class: training samples of each class in each experience; ``None`` for all.

    Raises:
        BadCall: if it is no such benchmark, a different scenario, or a class has too few samples.
    """
    for stream in ("train_stream", "test_stream"):
        if not hasattr(benchmark, stream):
            raise BadCall(
                f"stream {name!r} returned {type(benchmark).__name__}: it must return a Source or an Avalanche"
                " benchmark with train_stream and test_stream"
            )
    train = [
        task_aware(experience.dataset, int(getattr(experience, "task_label", 0)))
        for experience in benchmark.train_stream
    ]
    datasets = {
        "train": train,
        "test": [
            task_aware(experience.dataset, int(getattr(experience, "task_label", 0))).eval()
            for experience in benchmark.test_stream
        ],
    }
    valid = getattr(benchmark, "valid_stream", None)
    if valid is not None:
        datasets["valid"] = [
            task_aware(experience.dataset, int(getattr(experience, "task_label", 0))).eval()
            for experience in valid
        ]
    for split, of_split in datasets.items():
        if len(of_split) != len(train):
            raise BadCall(
                f"stream {name!r} has {len(train)} training experiences but {len(of_split)} in its {split} stream"
            )
    labels = [sorted(set(_values(dataset, "targets_task_labels").tolist())) for dataset in train]
    classes = [tuple(sorted(set(_values(dataset, "targets").tolist()))) for dataset in train]
    _check_scenario(name, scenario, labels, classes)
    carve = valid is None and validation > 0
    if carve:
        _carve(datasets, validation, seeds)
    if per_class is not None:
        datasets["train"] = [
            dataset.subset(_few(dataset, per_class, index, seeds))
            for index, dataset in enumerate(datasets["train"])
        ]
    if (
        carve
        or per_class is not None
        or not isinstance(benchmark, GenericCLScenario)
        or not hasattr(benchmark, "n_classes_per_exp")
    ):
        benchmark = make_benchmark(datasets, [set(task) for task in labels], classes)
    count = max(column for task in classes for column in task) + 1
    named = tuple(str(column) for column in range(count))
    return Stream(
        name=name,
        scenario=scenario,
        benchmark=benchmark,
        tasks=tuple(
            StreamTask(index, task[0], columns, tuple(named[column] for column in columns))
            for index, (task, columns) in enumerate(zip(labels, classes, strict=True))
        ),
        class_order=tuple(dict.fromkeys(column for task in classes for column in task)),
        class_names=named,
        input_shape=_input_shape(name, train[0]),
        classes=count,
        transforms=None,
        parts=None,
        digest=_digest(datasets),
    )


def _values(dataset: Any, name: str) -> np.ndarray:
    attribute = getattr(dataset, name, None)
    if attribute is None:
        raise BadCall(
            f"a data set of the benchmark has no {name}: only classification benchmarks can be used"
        )
    values = attribute_values(attribute)
    return np.asarray([int(value) for value in attribute]) if values is None else values


def _check_scenario(
    name: str, scenario: Scenario, labels: list[list[int]], classes: list[tuple[int, ...]]
) -> None:
    several = [index for index, task in enumerate(labels) if len(task) > 1]
    if several:
        raise BadCall(f"stream {name!r}: experience {several[0]} mixes task labels {labels[several[0]]}")
    found: Scenario = "class"
    if len({task[0] for task in labels}) > 1:
        found = "task"
    elif len(classes) > 1 and len(set(classes)) == 1:
        found = "domain"
    if found != scenario and len(classes) > 1:
        raise BadCall(
            f"stream {name!r} is {found}-incremental by its task labels and classes: set stream.scenario={found}"
        )


def _carve(datasets: dict[str, list[Any]], validation: float, seeds: Seeds) -> None:
    kept, held = [], []
    for dataset in datasets["train"]:
        _, y = np.unique(_values(dataset, "targets"), return_inverse=True)
        out = held_out(torch.from_numpy(y), validation, seeds)
        kept.append(dataset.subset(_rows(~out)))
        held.append(dataset.subset(_rows(out)).eval())
    datasets["train"], datasets["valid"] = kept, held


def _few(dataset: Any, count: int, index: int, seeds: Seeds) -> list[int]:
    y = torch.from_numpy(_values(dataset, "targets"))
    return few_of_each(y, priority(len(y), seeds), count, f"experience {index}").tolist()


def _rows(mask: Tensor) -> list[int]:
    return mask.nonzero().squeeze(1).tolist()


def _input_shape(name: str, dataset: Any) -> tuple[int, ...]:
    x = dataset.eval()[0][0]
    if not isinstance(x, Tensor):
        raise BadCall(
            f"stream {name!r} hands out {type(x).__name__}, not tensors: give its benchmark an eval transform that"
            " ends in a tensor"
        )
    return tuple(x.shape)


def _digest(datasets: dict[str, list[Any]]) -> str:
    digest = hashlib.sha256()
    for split, of_split in datasets.items():
        for dataset in of_split:
            digest.update(split.encode())
            digest.update(_values(dataset, "targets").tobytes())
            digest.update(_values(dataset, "targets_task_labels").tobytes())
    return digest.hexdigest()
