"""What holds for every stream, whatever its data."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream import registry
from lifelong_kd.stream.resolve import resolve
from tests.stream.conftest import CASES, Builder, Sources

every_stream = pytest.mark.parametrize("name", sorted(CASES))
by_class = pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if not case.views))


def test_every_built_in_stream_is_tested() -> None:
    # Texts and recordings, which no image's transform fits, have files of tests of their own.
    assert sorted([*CASES, "split_audio", "split_text"]) == sorted(
        entry.name for entry in registry if entry.owner == "lifelong_kd"
    )


@every_stream
def test_listing_needs_no_import(name: str) -> None:
    assert registry.entry(name).summary().endswith(".")


@every_stream
@pytest.mark.parametrize("scenario", ["class", "task"])
def test_classes_are_divided_among_the_tasks(stream_of: Builder, name: str, scenario: str) -> None:
    stream = stream_of(name, scenario=scenario)
    columns = [column for task in stream.tasks for column in task.classes]
    assert columns == list(range(stream.classes)), "columns come in the order of the tasks, each once"
    assert len(stream) == CASES[name].experiences
    assert [task.label for task in stream.tasks] == [
        k if scenario == "task" else 0 for k in range(len(stream))
    ]
    for split, parts in (stream.parts or {}).items():
        for task, part in zip(stream.tasks, parts, strict=True):
            assert set(part.targets.tolist()) == set(task.classes), split
            assert part.label == task.label


@every_stream
def test_domain_tasks_share_their_columns(stream_of: Builder, name: str) -> None:
    stream = stream_of(name, scenario="domain")
    assert {task.classes for task in stream.tasks} == {tuple(range(stream.classes))}
    assert {task.label for task in stream.tasks} == {0}
    assert stream.parts is not None
    assert all(set(part.targets.tolist()) == set(range(stream.classes)) for part in stream.parts["train"])


@every_stream
def test_no_sample_is_lost_and_none_is_in_two_splits(
    source_of: Sources, stream_of: Builder, name: str
) -> None:
    source, stream = source_of(name), stream_of(name)
    assert stream.parts is not None
    train, valid, test = (stream.parts[split] for split in ("train", "valid", "test"))
    tasks = [sorted(torch.cat([a.rows, b.rows]).tolist()) for a, b in zip(train, valid, strict=True)]
    whole = list(range(len(source.train.store)))
    if CASES[name].views:
        assert tasks == [whole] * len(stream)
        assert [sorted(part.rows.tolist()) for part in test] == [list(range(len(source.test.store)))] * len(
            stream
        )
        assert not set(train[0].rows.tolist()) & {row for part in valid for row in part.rows.tolist()}
    else:
        assert sorted(row for rows in tasks for row in rows) == whole
        assert sorted(torch.cat([part.rows for part in test]).tolist()) == list(range(len(source.test.store)))


@every_stream
def test_validation_takes_its_share_of_each_class(stream_of: Builder, name: str) -> None:
    stream = stream_of(name)
    assert stream.parts is not None
    for train, valid in zip(stream.parts["train"], stream.parts["valid"], strict=True):
        kept = torch.bincount(train.targets, minlength=stream.classes)
        held = torch.bincount(valid.targets, minlength=stream.classes)
        wanted = torch.round(0.2 * (kept + held)).clamp(min=1) * (kept + held > 0)
        if name != "core50":  # there, the share is taken within each session as well
            assert held.tolist() == wanted.long().tolist()
        assert bool((held[kept > 0] > 0).all())


@every_stream
def test_test_data_do_not_depend_on_the_validation_split(stream_of: Builder, name: str) -> None:
    with_one, without = stream_of(name), stream_of(name, validation=0.0)
    assert with_one.parts is not None and without.parts is not None
    assert "valid" not in without.parts and not without.has_validation and with_one.has_validation
    for one, other in zip(with_one.parts["test"], without.parts["test"], strict=True):
        assert torch.equal(one.rows, other.rows) and torch.equal(one.targets, other.targets)


@every_stream
def test_the_seed_decides_everything(stream_of: Builder, name: str) -> None:
    first, again, other = stream_of(name), stream_of(name), stream_of(name, seed=1)
    assert first.digest == again.digest
    assert first.class_order == again.class_order
    assert first.digest != other.digest
    assert first.parts is not None and again.parts is not None
    for one, two in zip(first.parts["valid"], again.parts["valid"], strict=True):
        assert torch.equal(one.rows, two.rows)


@by_class
def test_the_given_order_is_the_order_of_the_columns(
    source_of: Sources, stream_of: Builder, name: str
) -> None:
    source, count = source_of(name), CASES[name].classes
    order = list(reversed(range(count)))
    stream = stream_of(name, class_order=order)
    assert stream.class_order == tuple(order)
    assert stream.class_names == tuple(source.class_names[number] for number in order)
    assert stream.parts is not None
    for split, samples in (("train", source.train), ("test", source.test)):
        for part in stream.parts[split]:
            assert part.targets.tolist() == [order.index(number) for number in samples.y[part.rows].tolist()]


@by_class
def test_an_order_with_a_seed_of_its_own_does_not_follow_the_run(stream_of: Builder, name: str) -> None:
    assert stream_of(name, class_order=7).class_order == stream_of(name, class_order=7, seed=3).class_order


@by_class
def test_a_class_in_no_task_is_an_error(stream_of: Builder, name: str) -> None:
    with pytest.raises(BadCall, match=r"in no task: class: \[1\]; more than once: \[0\]"):
        stream_of(name, class_order=[0, 0, *range(2, CASES[name].classes)])


@every_stream
def test_more_tasks_than_classes_is_an_error(stream_of: Builder, name: str) -> None:
    if CASES[name].views:
        with pytest.raises(BadCall, match="must be a number of tasks"):
            stream_of(name, experiences=[5, 5])
        with pytest.raises(BadCall, match="nothing to order"):
            stream_of(name, class_order=1)
    else:
        count = CASES[name].classes
        with pytest.raises(BadCall, match=f"{count} classes can fill 1 to {count} tasks"):
            stream_of(name, experiences=count + 1)


@every_stream
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_data_sets_resolve_to_their_parts(stream_of: Builder, name: str, split: str) -> None:
    stream = stream_of(name, scenario="task")
    assert stream.parts is not None
    experiences = getattr(stream.benchmark, f"{split}_stream")
    for experience, part in zip(experiences, stream.parts[split], strict=True):
        found = resolve(experience.dataset)
        assert found is not None
        parts, part_of, row = found
        assert parts == [part]
        assert part_of.tolist() == [0] * len(part)
        assert row.tolist() == list(range(len(part)))


@every_stream
def test_an_item_is_what_the_batched_view_gives(stream_of: Builder, name: str) -> None:
    stream = stream_of(name, scenario="task", normalize="auto")
    assert stream.parts is not None and stream.transforms is not None
    experience, part = stream.benchmark.train_stream[1], stream.parts["train"][1]
    index = torch.tensor([3, 0, 2])
    batch = stream.transforms.eval(part.gather(index))
    assert batch.shape[1:] == stream.input_shape and batch.dtype == torch.float32
    for x, position in zip(batch, index.tolist(), strict=True):
        item: list[Any] = experience.dataset.eval()[position]
        assert torch.equal(item[0], x)
        assert item[1:] == [int(part.targets[position]), 1]


@every_stream
def test_experiences_know_their_classes(stream_of: Builder, name: str) -> None:
    stream = stream_of(name)
    for experience, task in zip(stream.benchmark.train_stream, stream.tasks, strict=True):
        assert sorted(experience.classes_in_this_experience) == list(task.classes)
        assert experience.task_labels == [0]
    assert stream.benchmark.n_classes_per_exp == [len(task.classes) for task in stream.tasks]
    assert stream.benchmark.classes_order == list(range(stream.classes))
