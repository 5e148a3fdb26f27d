"""Exemplars: budgets, order of preference, and what is stored with them."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Scenario, Task
from lifelong_kd.memory.base import Memory
from lifelong_kd.memory.exemplars import Balanced, Herding, herd
from lifelong_kd.memory.kmeans import KMeans
from lifelong_kd.strategy.base import Strategy
from tests.reference import memories as slow


class Data:
    """Training data of a task: random points of each class, 3 numbers a sample."""

    def __init__(self, classes: tuple[int, ...], each: int, seed: int, label: int = 0) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.targets = torch.tensor(classes).repeat(each)
        self.labels = torch.full_like(self.targets, label)
        self.x = torch.randn(len(self.targets), 3, generator=rng) + self.targets[:, None]

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw


def describe(raw: Tensor) -> tuple[Tensor, Tensor]:
    """A student with 2 columns whose features are a fixed bend of the input."""
    return raw[:, :2] * 10, torch.tanh(raw) + 0.1


def stream(groups: list[tuple[int, ...]], scenario: Scenario = "class") -> list[Task]:
    return [
        Task(index=t, scenario=scenario, new=group, history=tuple(groups[:t]))
        for t, group in enumerate(groups)
    ]


def learn(memory: Memory, groups: list[tuple[int, ...]], each: int = 20) -> list[list[list[float]]]:
    """Consolidate every task; the raw samples kept after each of them."""
    rng = torch.Generator().manual_seed(0)
    kept = []
    for task in stream(groups):
        memory.consolidate(task, Data(task.new, each, seed=task.index), describe, rng)
        kept.append(memory.samples["raw"].tolist() if len(memory) else [])
    return kept


def of_class(memory: Memory, column: int) -> list[list[float]]:
    raw: list[list[float]] = memory.samples["raw"][memory.samples["y"] == column].tolist()
    return raw


KINDS = pytest.mark.parametrize("kind", [Herding, Balanced, KMeans])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [0, 1, 4, 12, 15])
def test_herding_is_algorithm_4(seed: int, count: int) -> None:
    features = torch.randn(12, 5, generator=torch.Generator().manual_seed(seed))
    chosen = herd(features, count).tolist()
    assert chosen == slow.herding(features.tolist(), count)
    assert len(chosen) == len(set(chosen)) == min(count, 12)


def test_herding_takes_the_first_of_several_that_are_equally_near() -> None:
    assert herd(torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]), 3).tolist() == [0, 1, 2]


def test_a_longer_choice_begins_with_the_shorter_one() -> None:
    features = torch.randn(15, 4, generator=torch.Generator().manual_seed(9))
    assert herd(features, 9).tolist()[:4] == herd(features, 4).tolist()


def test_herding_works_on_normalised_features_of_the_class() -> None:
    memory = Herding(per_class=4)
    data = Data((0, 1), 20, seed=0)
    memory.consolidate(stream([(0, 1)])[0], data, describe, torch.Generator())
    for column in (0, 1):
        mine = data.x[data.targets == column]
        features = [slow.normalised(feature) for feature in describe(mine)[1].tolist()]
        assert of_class(memory, column) == [mine[i].tolist() for i in slow.herding(features, 4)]
        unnormalised = slow.herding(describe(mine)[1].tolist(), 4)
        assert of_class(memory, column) != [mine[i].tolist() for i in unnormalised]


@KINDS
def test_a_total_is_shared_by_all_classes_seen(kind: type) -> None:
    memory = kind(total=13)
    kept = learn(memory, [(0, 1), (2,), (3, 4)])
    # 13 // 2, 13 // 3, 13 // 5 of each class.
    assert [len(samples) for samples in kept] == [12, 12, 10]
    assert Counter(memory.samples["y"].tolist()) == {0: 2, 1: 2, 2: 2, 3: 2, 4: 2}
    assert len(memory) == 10


@KINDS
def test_a_budget_per_class_grows_with_the_classes(kind: type) -> None:
    memory = kind(per_class=3)
    kept = learn(memory, [(0, 1), (2,), (3, 4)])
    assert [len(samples) for samples in kept] == [6, 9, 15]
    assert kept[1][:6] == kept[0]


@KINDS
def test_a_smaller_budget_keeps_the_first_ones(kind: type) -> None:
    memory = kind(total=12)
    rng = torch.Generator().manual_seed(0)
    before: dict[int, list[list[float]]] = {}
    for task in stream([(0, 1), (2,), (3, 4)]):
        memory.consolidate(task, Data(task.new, 20, seed=task.index), describe, rng)
        for column, samples in before.items():
            now = of_class(memory, column)
            assert now == samples[: len(now)] and 0 < len(now) < len(samples)
        before = {column: of_class(memory, column) for column in task.seen}


@KINDS
def test_a_class_with_fewer_samples_gives_all_of_them(kind: type) -> None:
    memory = kind(per_class=50)
    learn(memory, [(0, 1)], each=4)
    assert Counter(memory.samples["y"].tolist()) == {0: 4, 1: 4}


@KINDS
def test_a_domain_incremental_class_shares_its_quota_among_its_tasks(kind: type) -> None:
    memory = kind(total=24)
    rng = torch.Generator().manual_seed(0)
    groups = [(0, 1), (0, 1), (0, 1)]
    first: list[list[float]] = []
    for task in stream(groups, "domain"):
        memory.consolidate(task, Data((0, 1), 20, seed=task.index), describe, rng)
        # 24 // 2 classes = 12 of each, divided by 1, 2, 3 tasks so far.
        share = 12 // (task.index + 1)
        table = Counter(zip(memory.samples["task"].tolist(), memory.samples["y"].tolist(), strict=True))
        assert table == {(t, c): share for t in range(task.index + 1) for c in (0, 1)}
        mine = (memory.samples["task"] == 0) & (memory.samples["y"] == 1)
        samples = memory.samples["raw"][mine].tolist()
        assert not first or samples == first[: len(samples)]
        first = samples


def test_fields_and_logits_of_the_moment_of_choice() -> None:
    memory = Herding(per_class=2)
    memory.keep_logits = True
    rng = torch.Generator()
    one, two = stream([(0, 1), (2,)])
    memory.consolidate(one, Data((0, 1), 10, seed=0, label=0), describe, rng)
    before = {name: field.clone() for name, field in memory.samples.items()}

    def grown(raw: Tensor) -> tuple[Tensor, Tensor]:
        return raw @ torch.ones(3, 3), raw

    memory.consolidate(two, Data((2,), 10, seed=1, label=1), grown, rng)
    samples = memory.samples
    assert samples["label"].tolist() == [0, 0, 0, 0, 1, 1]
    assert samples["task"].tolist() == [0, 0, 0, 0, 1, 1]
    assert samples["logits"].shape == (6, 3)
    # The first four keep what they had, though the student says something else now; their third column was not there.
    assert torch.equal(samples["logits"][:4, :2], before["logits"])
    assert torch.equal(before["logits"], before["raw"][:, :2] * 10)
    assert samples["logits"][:4, 2].isnan().all()
    torch.testing.assert_close(samples["logits"][4:], samples["raw"][4:] @ torch.ones(3, 3))


def test_logits_belong_to_their_sample_beyond_one_pass() -> None:
    # More than the 1024 samples that are described at a time.
    memory = Balanced(per_class=1500)
    memory.keep_logits = True
    memory.consolidate(
        stream([(0,)])[0], Data((0,), 1500, seed=0), describe, torch.Generator().manual_seed(1)
    )
    assert len(memory) == 1500
    assert torch.equal(memory.samples["logits"], memory.samples["raw"][:, :2] * 10)


def test_balanced_chooses_every_sample_with_the_same_chance() -> None:
    rng = torch.Generator().manual_seed(4)
    data = Data((0,), 10, seed=0)
    counts = Counter[float]()
    for _ in range(2000):
        memory = Balanced(per_class=3)
        memory.consolidate(stream([(0,)])[0], data, describe, rng)
        counts.update(memory.samples["raw"][:, 0].tolist())
    deviation = math.sqrt(2000 * 0.3 * 0.7)
    assert len(counts) == 10
    assert max(abs(count - 600) for count in counts.values()) < 4.5 * deviation


@KINDS
def test_a_restart_goes_on_identically(kind: type) -> None:
    first, second = kind(total=12), kind(total=12)
    one, two = stream([(0, 1), (2,)])
    rng = torch.Generator().manual_seed(3)
    first.consolidate(one, Data((0, 1), 20, seed=0), describe, rng)
    state = rng.get_state()
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    first.consolidate(two, Data((2,), 20, seed=1), describe, rng)
    rng.set_state(state)
    second.consolidate(two, Data((2,), 20, seed=1), describe, rng)
    assert set(first.samples) == set(second.samples)
    assert all(torch.equal(field, second.samples[name]) for name, field in first.samples.items())


@KINDS
def test_a_memory_that_chooses_at_the_end_takes_nothing_before(kind: type) -> None:
    memory = kind(total=5)
    assert memory.chooses == "task"
    assert len(memory) == 0
    assert memory.draw(3, torch.Generator()) == {}


@KINDS
@pytest.mark.parametrize("options", [{}, {"total": 5, "per_class": 5}])
def test_one_budget_has_to_be_given(kind: type, options: dict[str, int]) -> None:
    with pytest.raises(BadCall, match="either total=N"):
        kind(**options)


@KINDS
@pytest.mark.parametrize("options", [{"total": 0}, {"per_class": 0}, {"total": -3}])
def test_a_budget_of_nothing_is_refused(kind: type, options: dict[str, int]) -> None:
    with pytest.raises(BadCall, match="at least 1"):
        kind(**options)


def test_features_of_length_0_are_herded_too() -> None:
    features = F.normalize(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), dim=1)
    assert sorted(herd(features, 2).tolist()) == [0, 1]


@KINDS
def test_a_class_that_comes_in_more_tasks_than_it_has_exemplars_is_refused(kind: type) -> None:
    memory = kind(total=4)
    memory.check(2, tasks=2, again=2)
    with pytest.raises(BadCall, match="2 exemplars a class has none left for each of the 3 tasks"):
        memory.check(2, tasks=3, again=3)
    strategy = Strategy(memory=memory)
    strategy.check_stream([(0, 1)] * 2)
    with pytest.raises(BadCall, match="3 tasks"):
        strategy.check_stream([(0, 1)] * 3)
