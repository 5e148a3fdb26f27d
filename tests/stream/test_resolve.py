from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks.utils.classification_dataset import _make_taskaware_tensor_classification_dataset

from lifelong_kd.stream.augment.flip import Flip
from lifelong_kd.stream.dataset import part_dataset, tensor_dataset
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.resolve import resolve
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.transform import Pipeline

STORE = TensorStore(torch.arange(100, dtype=torch.uint8).view(100, 1, 1, 1))
PIPELINE = Pipeline(mean=[0.5], std=[0.5])


def dataset(start: int, count: int, label: int = 0) -> Any:
    rows = torch.arange(start, start + count)
    return part_dataset(Part(STORE, rows, rows % 7, label), PIPELINE, train=True)


def values(found: tuple[list[Part], torch.Tensor, torch.Tensor] | None) -> list[int]:
    """The raw value (its row number) of every sample that was found."""
    assert found is not None
    parts, part_of, row = found
    return [int(parts[p].gather(row[k : k + 1])) for k, p in enumerate(part_of.tolist())]


def items(data: Any) -> list[int]:
    """The same, item by item as Avalanche reads them."""
    return [round(float((x * 0.5 + 0.5) * 255)) for x, *_ in (data[k] for k in range(len(data)))]


def agree(data: Any) -> list[int]:
    found = values(resolve(data))
    assert found == items(data)
    return found


def test_subsets_and_concatenations_keep_their_order() -> None:
    a, b = dataset(10, 5), dataset(40, 4, label=2)
    assert agree(a.subset([4, 0, 0, 2])) == [14, 10, 10, 12]
    assert agree(a.concat(b)) == [10, 11, 12, 13, 14, 40, 41, 42, 43]
    assert agree(b.concat(a).subset([8, 0, 4]).concat(a.subset([1]))) == [14, 40, 10, 11]
    assert agree(a.subset([3, 1]).subset([1]).concat(a)) == [11, 10, 11, 12, 13, 14]
    assert agree(a.concat(a)) == [10, 11, 12, 13, 14] * 2


def test_a_part_met_twice_is_one_part() -> None:
    a, b = dataset(0, 3), dataset(5, 3)
    found = resolve(a.concat(b).concat(a.subset([2])))
    assert found is not None
    parts, part_of, row = found
    assert len(parts) == 2
    assert part_of.tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert row.tolist() == [0, 1, 2, 0, 1, 2, 2]


@pytest.mark.filterwarnings("ignore:Concatenated datasets have different transformation")
def test_random_trees_agree_with_avalanche() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(high: int, count: int) -> list[int]:
        return torch.randint(high, (count,), generator=generator).tolist()

    for _ in range(40):
        data = dataset(0, 8)
        for kind, start in zip(draw(3, 6), draw(60, 6), strict=True):
            if kind == 0:
                data = data.subset(draw(len(data), 6))
            elif kind == 1:
                data = data.concat(dataset(start, 5, label=start))
            else:
                data = dataset(start, 4).concat(data).train()
        agree(data)


def test_many_samples_are_resolved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.arange(12_000) % 100
    data = part_dataset(Part(STORE, rows, rows % 7), PIPELINE, train=True)
    data = data.subset(list(range(11_999, -1, -1))).concat(dataset(3, 2))

    def refuse(self: Part, position: int) -> None:
        raise AssertionError("a sample was read")

    monkeypatch.setattr(Part, "__getitem__", refuse)
    found = resolve(data)
    assert found is not None
    assert found[2][:3].tolist() == [11_999, 11_998, 11_997] and len(found[1]) == 12_002


def test_what_would_not_give_the_same_samples_is_not_resolved() -> None:
    a = dataset(0, 4)
    x = torch.zeros(2, 1, 1, 1)
    foreign = _make_taskaware_tensor_classification_dataset(x, torch.tensor([0, 1]))
    assert resolve(foreign) is None
    assert resolve(a.concat(foreign)) is None
    assert resolve(torch.utils.data.TensorDataset(x)) is None
    assert resolve(part_dataset(Part(STORE, torch.arange(2), torch.arange(2)), None, train=True)) is None
    assert resolve(a.replace_current_transform_group(lambda sample: sample.float())) is None
    assert resolve(a.remove_current_transform_group()) is None
    assert resolve(a.freeze_transforms()) is None
    assert resolve(a.update_data_attribute("targets", [5, 5, 5, 5])) is None
    assert resolve(a.update_data_attribute("targets_task_labels", [1, 1, 1, 1])) is None
    assert resolve(a) is not None, "the original is as it was"


def test_memory_tensors_keep_their_order_across_task_labels() -> None:
    raw = torch.tensor([50, 60, 70, 80, 90], dtype=torch.uint8).view(5, 1, 1, 1)
    labels = torch.tensor([1, 0, 1, 0, 1])
    data = tensor_dataset(raw, torch.tensor([4, 3, 2, 1, 0]), labels, PIPELINE)
    assert [round(float((data[k][0] * 0.5 + 0.5) * 255)) for k in range(5)] == [50, 60, 70, 80, 90]
    assert [data[k][1:] for k in range(5)] == [[4, 1], [3, 0], [2, 1], [1, 0], [0, 1]]
    assert agree(data) == [50, 60, 70, 80, 90]
    mixed = dataset(7, 2).concat(data)
    assert agree(mixed) == [7, 8, 50, 60, 70, 80, 90]
    assert list(mixed.targets) == [0, 1, 4, 3, 2, 1, 0]
    assert list(mixed.targets_task_labels) == [0, 0, 1, 0, 1, 0, 1]


def test_memory_without_transforms_hands_out_what_was_put_in() -> None:
    raw = torch.tensor([[1.5, 2.5], [3.5, 4.5]])
    data = tensor_dataset(raw, torch.tensor([0, 1]), torch.tensor([0, 0]), None)
    assert torch.equal(data[1][0], raw[1]) and list(data[1][1:]) == [1, 0]


def test_training_items_are_augmented_and_evaluation_items_are_not() -> None:
    store = TensorStore(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    part = Part(store, torch.tensor([0]), torch.tensor([0]))
    data = part_dataset(part, Pipeline([Flip(p=1.0)]), train=True)
    assert data[0][0].flatten().tolist() == [1.0, 0.0]
    assert data.eval()[0][0].flatten().tolist() == [0.0, 1.0]
    assert data.eval().train()[0][0].flatten().tolist() == [1.0, 0.0]
