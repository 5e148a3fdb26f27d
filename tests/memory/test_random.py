"""Random exemplars of each task."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.memory.random import Random
from tests.memory.test_exemplars import Data, describe, stream


def rows(memory: Random, task: int) -> list[list[float]]:
    raw: list[list[float]] = memory.samples["raw"][memory.samples["task"] == task].tolist()
    return raw


@pytest.mark.parametrize(("options", "shares"), [({"total": 13}, [13, 6, 4]), ({"per_task": 5}, [5, 5, 5])])
def test_the_budget_is_shared_by_tasks_and_the_first_ones_stay(
    options: dict[str, int], shares: list[int]
) -> None:
    memory = Random(**options)
    rng = torch.Generator().manual_seed(0)
    before: list[list[list[float]]] = []
    for task in stream([(0, 1), (2,), (3, 4, 5)]):
        memory.consolidate(task, Data(task.new, 20, seed=task.index), describe, rng)
        now = [rows(memory, number) for number in range(task.index + 1)]
        assert [len(samples) for samples in now] == [shares[task.index]] * (task.index + 1)
        for earlier, later in zip(before, now, strict=False):
            assert later == earlier[: len(later)]
        before = now
    assert set(memory.samples["y"][memory.samples["task"] == 2].tolist()) <= {3, 4, 5}


def test_every_sample_has_the_same_chance_and_classes_are_left_to_it() -> None:
    rng = torch.Generator().manual_seed(1)
    data = Data((0,), 10, seed=0)
    data.targets = torch.tensor([0] * 8 + [1] * 2)
    counts, of_rare = Counter[float](), Counter[int]()
    for _ in range(3000):
        memory = Random(total=4)
        memory.consolidate(stream([(0, 1)])[0], data, describe, rng)
        counts.update(memory.samples["raw"][:, 0].tolist())
        of_rare[int((memory.samples["y"] == 1).sum())] += 1
    deviation = math.sqrt(3000 * 0.4 * 0.6)
    assert len(counts) == 10
    assert max(abs(count - 1200) for count in counts.values()) < 4.5 * deviation
    # Hypergeometric: C(8, 4) / C(10, 4) of the draws have none of the rare class.
    none = 3000 * math.comb(8, 4) / math.comb(10, 4)
    assert abs(of_rare[0] - none) < 4.5 * math.sqrt(none)


def test_logits_and_features_of_the_end_of_the_task_are_stored_on_request() -> None:
    memory = Random(total=8)
    memory.keep_logits = memory.keep_features = True
    rng = torch.Generator().manual_seed(0)
    one, two = stream([(0, 1), (2,)])
    memory.consolidate(one, Data((0, 1), 10, seed=0), describe, rng)
    first = {name: field.clone() for name, field in memory.samples.items()}

    def grown(raw: Tensor) -> tuple[Tensor, Tensor]:
        return raw * 2, raw + 1

    memory.consolidate(two, Data((2,), 10, seed=1), grown, rng)
    samples = memory.samples
    assert torch.equal(first["logits"], describe(first["raw"])[0])
    assert torch.equal(samples["logits"][:4, :2], first["logits"][:4])
    assert samples["logits"][:4, 2].isnan().all()
    assert torch.equal(samples["logits"][4:], samples["raw"][4:] * 2)
    assert torch.equal(samples["features"][:4], describe(samples["raw"][:4])[1])
    assert torch.equal(samples["features"][4:], samples["raw"][4:] + 1)


def test_nothing_is_asked_of_the_student_for_nothing() -> None:
    memory = Random(per_task=3)

    def never(raw: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("the student was asked")

    memory.consolidate(stream([(0, 1)])[0], Data((0, 1), 5, seed=0), never, torch.Generator())
    assert set(memory.samples) == {"raw", "y", "label", "task"}
    assert len(memory) == 3


def test_a_task_with_fewer_samples_gives_all_of_them() -> None:
    memory = Random(total=50)
    memory.consolidate(stream([(0, 1)])[0], Data((0, 1), 5, seed=0), describe, torch.Generator())
    assert len(memory) == 10


def test_a_budget_too_small_for_the_tasks_is_refused() -> None:
    memory = Random(total=2)
    memory.check(classes=100, tasks=2)
    with pytest.raises(BadCall, match="none left for each of 3 tasks: give it at least 3"):
        memory.check(classes=6, tasks=3)
    Random(per_task=1).check(classes=6, tasks=300)
    last = stream([(0,), (1,), (2,)])[2]
    with pytest.raises(BadCall, match="at least 3"):
        memory.consolidate(last, Data((2,), 5, seed=0), describe, torch.Generator())


@pytest.mark.parametrize("options", [{}, {"total": 5, "per_task": 5}])
def test_one_budget_has_to_be_given(options: dict[str, int]) -> None:
    with pytest.raises(BadCall, match="either total=N"):
        Random(**options)


@pytest.mark.parametrize("options", [{"total": 0}, {"per_task": -1}])
def test_a_budget_of_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(BadCall, match="at least 1"):
        Random(**options)


def test_before_the_end_of_a_task_there_is_nothing() -> None:
    memory = Random(total=3)
    assert memory.chooses == "task" and len(memory) == 0
    assert memory.draw(3, torch.Generator()) == {}
