from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.augment.flip import Flip
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.image_folder import image_folder
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import FileStore, TensorStore
from tests.stream.conftest import Builder, Sources, folder_files


def toy(values: Sequence[float], y: list[int], domain: list[int] | None = None) -> Samples:
    domains = None if domain is None else torch.tensor(domain)
    return Samples(
        TensorStore(torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)), torch.tensor(y), domains
    )


def test_automatic_normalisation_looks_at_the_first_task_only() -> None:
    source = Source(
        toy([0.0, 2.0, 100.0, 300.0], [0, 0, 1, 1]), toy([5.0, 5.0], [0, 1]), class_names=("a", "b")
    )
    stream = build_stream(
        "toy",
        source,
        experiences=2,
        class_order=[0, 1],
        validation=0.0,
        normalize="auto",
        seeds=Seeds(0),
    )
    assert (stream.mean, stream.std) == ((1.0,), (1.0,))
    assert float(stream.benchmark.train_stream[1].dataset[0][0]) == 99.0


def test_automatic_normalisation_leaves_validation_data_out(stream_of: Builder) -> None:
    stream = stream_of("split_digits", normalize="auto")
    assert stream.parts is not None
    first = stream.parts["train"][0]
    x = first.gather(torch.arange(len(first))).double() / 255
    assert stream.mean == pytest.approx((float(x.mean()),), rel=1e-6)
    assert stream.std == pytest.approx((float(x.std(correction=0)),), rel=1e-6)


def test_a_constant_channel_is_not_divided_by_nothing() -> None:
    source = Source(toy([3.0, 3.0, 7.0], [0, 0, 1]), toy([3.0, 3.0], [0, 1]), ("a", "b"))
    stream = build_stream(
        "toy", source, experiences=2, class_order=[0, 1], validation=0, normalize="auto", seeds=Seeds(0)
    )
    assert (stream.mean, stream.std) == ((3.0,), (1.0,))


def test_given_normalisation(stream_of: Builder) -> None:
    stream = stream_of("split_digits", normalize={"mean": [0.25], "std": [0.5]})
    assert stream.parts is not None
    raw = stream.parts["test"][0].gather(torch.tensor([0]))
    assert torch.equal(stream.benchmark.test_stream[0].dataset[0][0], (raw[0] / 255 - 0.25) / 0.5)
    with pytest.raises(BadCall, match=r"stream\.normalize must be null, auto, or have mean and std"):
        stream_of("split_digits", normalize={"mean": [0.25]})
    with pytest.raises(BadCall, match="3 values but the samples have 1 channels"):
        stream_of("split_digits", normalize={"mean": [0.0] * 3, "std": [1.0] * 3})


def test_domain_tasks_of_a_split_data_set(stream_of: Builder, source_of: Sources) -> None:
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    stream = stream_of("split_digits", scenario="domain", class_order=order)
    assert stream.class_names == ("3/4/5/2/8", "1/0/9/6/7")
    assert stream.tasks[1].class_names == ("4", "0") and stream.tasks[1].classes == (0, 1)
    assert stream.parts is not None
    part = stream.parts["train"][1]
    assert [[4, 0][target] for target in part.targets.tolist()] == source_of("split_digits").train.y[
        part.rows
    ].tolist()
    with pytest.raises(BadCall, match=r"equally many classes, but the tasks have 4, 3, 3"):
        stream_of("split_digits", scenario="domain", experiences=3)


def test_classes_of_views_are_columns_of_their_own(stream_of: Builder) -> None:
    stream = stream_of("permuted_mnist", scenario="task")
    assert [task.classes for task in stream.tasks] == [tuple(range(10 * k, 10 * k + 10)) for k in range(3)]
    assert stream.class_names[10] == "0@1" and stream.classes == 30


def test_data_with_domains_are_cut_by_domain() -> None:
    y, domain = [0, 1] * 6, [4] * 4 + [8] * 4 + [9] * 4
    source = Source(toy(range(12), y, domain), toy(range(12), y, domain), ("a", "b"))
    stream = build_stream(
        "toy", source, scenario="domain", experiences=2, class_order=[2, 0, 1], validation=0.5, seeds=Seeds(0)
    )
    assert stream.class_order == (9, 4, 8)
    assert stream.parts is not None
    tasks = [
        sorted(torch.cat([a.rows, b.rows]).tolist())
        for a, b in zip(stream.parts["train"], stream.parts["valid"], strict=True)
    ]
    assert tasks == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7]]
    assert [part.rows.tolist() for part in stream.parts["test"]] == tasks, (
        "the test data have the same domains"
    )
    for valid in stream.parts["valid"]:
        counts = torch.bincount(torch.tensor(domain)[valid.rows] * 2 + valid.targets)
        assert counts[counts > 0].unique().tolist() == [1], "one of two of each class in each domain"
    with pytest.raises(BadCall, match="3 domains can fill 1 to 3 tasks"):
        build_stream("toy", source, scenario="domain", experiences=4, seeds=Seeds(0))


def test_a_test_set_of_other_sessions_tests_every_task(stream_of: Builder, source_of: Sources) -> None:
    stream, source = stream_of("core50", scenario="domain", experiences=8), source_of("core50")
    assert sorted(stream.class_order) == [1, 2, 4, 5, 6, 8, 9, 11]
    assert stream.parts is not None
    assert source.train.domain is not None and source.test.domain is not None
    for session, part in zip(stream.class_order, stream.parts["train"], strict=True):
        assert set(source.train.domain[part.rows].tolist()) == {session}
    assert {len(part) for part in stream.parts["test"]} == {300}
    assert set(source.test.domain.tolist()) == {3, 7, 10}


def test_a_task_without_validation_data_is_an_error() -> None:
    source = Source(toy([1.0, 2.0, 3.0], [0, 0, 1]), toy([1.0, 2.0], [0, 1]), ("a", "b"))
    with pytest.raises(BadCall, match="has no valid data"):
        build_stream("toy", source, experiences=2, seeds=Seeds(0))


def test_wrong_scenario() -> None:
    source = Source(toy([1.0, 2.0], [0, 1]), toy([1.0, 2.0], [0, 1]), ("a", "b"))
    with pytest.raises(BadCall, match="must be class, task or domain, got 'klass'"):
        build_stream("toy", source, scenario="klass", seeds=Seeds(0))  # type: ignore[arg-type]


def test_the_digest_tells_streams_apart(stream_of: Builder) -> None:
    plain = stream_of("split_digits", class_order=0)
    others = [
        stream_of("split_digits", class_order=1),
        stream_of("split_digits", class_order=0, experiences=2),
        stream_of("split_digits", class_order=0, scenario="task"),
        stream_of("split_digits", class_order=0, validation=0.3),
        stream_of("split_mnist", class_order=0),
    ]
    assert len({plain.digest, *(other.digest for other in others)}) == 6
    assert plain.digest == stream_of("split_digits", class_order=0).digest


def test_files_that_stay_on_disk_give_the_same_items(tmp_path: Path) -> None:
    folder_files(tmp_path)
    source = image_folder(tmp_path, Seeds(0))
    held, lazy = (
        build_stream("image_folder", source, experiences=2, in_memory=way, seeds=Seeds(0))
        for way in (True, False)
    )
    assert held.digest == lazy.digest
    assert held.nbytes == (40 + 16) * 3 * 6 * 8 and lazy.nbytes == 0
    assert all(isinstance(store, FileStore) for store in lazy.stores())
    one, other = held.benchmark.train_stream[1].dataset[2], lazy.benchmark.train_stream[1].dataset[2]
    assert torch.equal(one[0], other[0]) and one[1:] == other[1:]


def test_moving_a_stream_moves_all_its_samples(source_of: Sources) -> None:
    source = source_of("arrays")
    copy = Source(
        Samples(TensorStore(source.train.store.gather(torch.arange(60))), source.train.y),
        Samples(TensorStore(source.test.store.gather(torch.arange(18))), source.test.y),
        source.class_names,
    )
    stream = build_stream("arrays", copy, experiences=3, seeds=Seeds(0)).to("meta")
    assert stream.parts is not None
    devices = {
        part.gather(torch.tensor([0])).device.type for parts in stream.parts.values() for part in parts
    }
    assert devices == {"meta"}


def test_augmented_items_draw_from_the_default_generator(stream_of: Builder) -> None:
    stream = stream_of("split_digits", augment=[Flip(p=0.5)])
    assert stream.transforms is not None and stream.transforms.random
    dataset = stream.benchmark.train_stream[0].dataset
    torch.manual_seed(0)
    first = [dataset[0][0] for _ in range(20)]
    torch.manual_seed(0)
    again = [dataset[0][0] for _ in range(20)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({tuple(x.flatten().tolist()) for x in first}) == 2
    assert torch.equal(dataset.eval()[0][0], dataset.eval()[0][0])


def test_building_leaves_the_default_generator_alone(stream_of: Builder) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    stream_of("split_digits")
    stream_of("permuted_mnist")
    assert torch.equal(torch.rand(4), wanted)
