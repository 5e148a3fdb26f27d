"""Avalanche benchmarks of both kinds, taken as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks import class_incremental_benchmark, nc_benchmark, ni_benchmark
from avalanche.benchmarks.utils import as_classification_dataset
from torch.utils.data import TensorDataset

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.augment.flip import Flip
from lifelong_kd.stream.build import build_stream


def tensors(each: int) -> TensorDataset:
    y = torch.arange(6).repeat(each)
    data = TensorDataset(torch.rand(len(y), 1, 4, 4), y)
    data.targets = y.tolist()  # type: ignore[attr-defined]
    return data


def old(task_labels: bool = False) -> Any:
    return nc_benchmark(tensors(10), tensors(2), n_experiences=3, task_labels=task_labels, shuffle=False)


def new() -> Any:
    return class_incremental_benchmark(
        {"train": as_classification_dataset(tensors(10)), "test": as_classification_dataset(tensors(2))},
        num_experiences=3,
        class_order=[0, 1, 2, 3, 4, 5],
    )


def wrap(benchmark: Any, **options: Any) -> Any:
    return build_stream("own", benchmark, **({"validation": 0.2, "seeds": Seeds(0)} | options))


@pytest.mark.parametrize("make", [old, new])
def test_validation_is_carved_from_the_training_data(make: Any) -> None:
    stream = wrap(make())
    assert [task.classes for task in stream.tasks] == [(0, 1), (2, 3), (4, 5)]
    assert (stream.classes, stream.input_shape, stream.transforms, stream.parts) == (6, (1, 4, 4), None, None)
    for k in range(3):
        train, valid, test = (
            getattr(stream.benchmark, f"{split}_stream")[k].dataset for split in ("train", "valid", "test")
        )
        assert (len(train), len(valid), len(test)) == (16, 4, 4)
        assert sorted(valid.targets) == [2 * k, 2 * k, 2 * k + 1, 2 * k + 1]
        assert len(train[0]) == 3, "items are (x, y, task label)"
        images = {tuple(x.flatten().tolist()) for data in (train, valid) for x, *_ in data}
        assert len(images) == 20, "no sample is in both"
    assert stream.benchmark.n_classes_per_exp == [2, 2, 2]
    assert stream.has_validation


@pytest.mark.parametrize("make", [old, new])
def test_the_split_follows_the_seed(make: Any) -> None:
    def held(seed: int) -> list[list[int]]:
        benchmark = make()
        whole = [tuple(x.flatten().tolist()) for x, *_ in benchmark.train_stream[0].dataset]
        stream = wrap(benchmark, seeds=Seeds(seed))
        return sorted(
            whole.index(tuple(x.flatten().tolist())) for x, *_ in stream.benchmark.valid_stream[0].dataset
        )

    torch.manual_seed(0)
    assert held(0) == held(0)
    assert held(0) != held(1)


def test_nothing_is_changed_if_there_is_nothing_to_carve() -> None:
    benchmark = old()
    stream = wrap(benchmark, validation=0.0)
    assert stream.benchmark is benchmark and not stream.has_validation


def test_task_labels_are_kept_and_ask_for_the_task_scenario() -> None:
    stream = wrap(old(task_labels=True), scenario="task")
    assert [task.label for task in stream.tasks] == [0, 1, 2]
    assert [exp.task_labels for exp in stream.benchmark.valid_stream] == [[0], [1], [2]]
    with pytest.raises(BadCall, match=r"task-incremental .* set stream\.scenario=task"):
        wrap(old(task_labels=True))


def test_the_same_classes_in_every_experience_ask_for_the_domain_scenario() -> None:
    benchmark = ni_benchmark(tensors(12), tensors(2), n_experiences=1)
    single = wrap(benchmark, scenario="class")
    assert single.tasks[0].classes == tuple(range(6))
    benchmark = ni_benchmark(tensors(30), tensors(2), n_experiences=2, balance_experiences=True)
    with pytest.raises(BadCall, match=r"2 training experiences but 1 in its test stream"):
        wrap(benchmark, scenario="domain")


def test_the_digest_and_the_class_order_tell_benchmarks_apart() -> None:
    one = wrap(old())
    other = wrap(nc_benchmark(tensors(10), tensors(2), n_experiences=2, task_labels=False, shuffle=False))
    assert one.class_order == (0, 1, 2, 3, 4, 5)
    assert one.digest == wrap(old()).digest != other.digest


@pytest.mark.parametrize("options", [{"class_order": 1}, {"augment": [Flip()]}, {"normalize": "auto"}])
def test_options_that_nothing_would_read_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadCall, match="brings its own order and transforms"):
        wrap(old(), **options)


def test_what_is_no_benchmark_is_refused() -> None:
    with pytest.raises(BadCall, match="returned dict: it must return a Source or an Avalanche benchmark"):
        wrap({})
