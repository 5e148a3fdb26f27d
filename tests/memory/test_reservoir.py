"""Reservoirs: who is kept, with what chance, and with which fields."""

from __future__ import annotations

import io
import math
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.memory import as_memory, registry
from lifelong_kd.memory.base import Memory
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.memory.reservoir import BalancedReservoir, Reservoir
from tests.reference import memories as slow

CPU = torch.device("cpu")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(numbers: list[int], classes: list[int] | None = None, label: int = 0) -> Batch:
    """Samples whose raw value is their number."""
    raw = torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1)
    y = torch.tensor(classes if classes is not None else [0] * len(numbers))
    return Batch(x=raw * 2, y=y, label=torch.full_like(y, label), raw=raw)


def feed(
    memory: Memory,
    count: int,
    size: int,
    rng: torch.Generator,
    *,
    classes: list[int] | None = None,
    width: int = 2,
) -> None:
    """``count`` samples in batches of ``size``; the logits of sample i are (i, i, ...)."""
    for start in range(0, count, size):
        numbers = list(range(start, min(start + size, count)))
        chosen = [classes[i] for i in numbers] if classes is not None else None
        batch = batch_of(numbers, chosen)
        memory.observe(batch, batch.raw.expand(-1, width), rng)


def held(memory: Memory) -> list[int]:
    """The numbers of the samples kept, slot by slot."""
    return memory.take(torch.arange(len(memory)))["raw"].flatten().int().tolist()


@pytest.mark.parametrize("size", [1, 3, 7, 16, 50])
@pytest.mark.parametrize("seed", range(5))
def test_a_batch_at_a_time_is_algorithm_r_sample_by_sample(size: int, seed: int) -> None:
    memory = Reservoir(capacity=8)
    feed(memory, 50, size, generator(seed))
    # One call for n uniform numbers gives the same n as several calls only for some sizes: draw as the memory did.
    rng = generator(seed)
    draws = [
        u
        for start in range(0, 50, size)
        for u in torch.rand(min(size, 50 - start), generator=rng, dtype=torch.float64).tolist()
    ]
    assert held(memory) == slow.algorithm_r(8, draws)


def test_each_sample_is_kept_with_the_same_chance() -> None:
    capacity, samples, runs = 5, 40, 4000
    chance = slow.kept_probability(capacity, samples)
    assert set(chance) == {chance[0]}
    p = float(chance[0])
    rng = generator(2024)
    counts = Counter[int]()
    for _ in range(runs):
        memory = Reservoir(capacity=capacity)
        feed(memory, samples, 16, rng)
        kept = held(memory)
        assert len(set(kept)) == capacity
        counts.update(kept)
    # Each count is Binomial(runs, p); a union bound over 40 two-sided normal tails at 4.5 deviations is 3e-4.
    deviation = math.sqrt(runs * p * (1 - p))
    worst = max(abs(counts[i] - runs * p) for i in range(samples))
    assert worst < 4.5 * deviation
    # All together: sum of (count - mean)^2 / variance, scaled for the fixed total, is chi-square with 39 degrees of
    # freedom, mean 39 and deviation sqrt(78) = 8.8; the seed is fixed, so what has passed once passes always.
    scaled = sum((counts[i] - runs * p) ** 2 for i in range(samples)) / deviation**2 * (samples - 1) / samples
    assert 10 < scaled < 39 + 5 * math.sqrt(78)


def test_pairs_are_kept_with_the_chance_of_a_uniform_subset() -> None:
    # Kept singly with the right chance is not enough: slots written as a block would keep neighbours together.
    capacity, samples, runs = 3, 9, 3000
    rng = generator(7)
    pairs = Counter[tuple[int, int]]()
    for _ in range(runs):
        memory = Reservoir(capacity=capacity)
        feed(memory, samples, 4, rng)
        kept = sorted(held(memory))
        pairs.update((a, b) for k, a in enumerate(kept) for b in kept[k + 1 :])
    p = (3 / 9) * (2 / 8)
    deviation = math.sqrt(runs * p * (1 - p))
    worst = max(abs(pairs[a, b] - runs * p) for a in range(9) for b in range(a + 1, 9))
    assert worst < 4.5 * deviation


def test_until_it_is_full_everything_is_kept_in_order() -> None:
    memory = Reservoir(capacity=10)
    feed(memory, 7, 3, generator(0))
    assert len(memory) == 7
    assert held(memory) == list(range(7))
    feed(memory, 1, 1, generator(1))
    assert len(memory) == 8


def test_what_is_stored_with_a_sample() -> None:
    memory = Reservoir(capacity=4)
    memory.keep_logits = True
    batch = batch_of([5, 6], [3, 1], label=2)
    logits = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    memory.observe(batch, logits, generator(0))
    samples = memory.take(torch.tensor([0, 1]))
    assert torch.equal(samples["raw"], torch.tensor([[5.0], [6.0]]))  # raw, not the view x
    assert samples["y"].tolist() == [3, 1]
    assert samples["label"].tolist() == [2, 2]
    assert torch.equal(samples["logits"], logits.detach())
    assert not samples["logits"].requires_grad
    batch.raw.zero_()
    assert held(memory) == [5, 6]


def test_logits_are_kept_only_if_somebody_needs_them() -> None:
    memory = Reservoir(capacity=4)
    feed(memory, 4, 2, generator(0))
    assert set(memory.samples) == {"raw", "y", "label"}


@pytest.mark.parametrize("kind", [Reservoir, BalancedReservoir])
def test_logits_are_those_of_the_moment_of_insertion(kind: type) -> None:
    memory = kind(capacity=6)
    memory.keep_logits = True
    rng = generator(3)
    told: dict[int, float] = {}
    for step in range(12):
        numbers = list(range(4 * step, 4 * step + 4))
        batch = batch_of(numbers, [i % 3 for i in numbers])
        # The student's answer to a sample is another one at every step.
        logits = batch.raw + 1000.0 * step
        told.update(zip(numbers, logits.flatten().tolist(), strict=True))
        memory.observe(batch, logits, rng)
    samples = memory.take(torch.arange(len(memory)))
    numbers = samples["raw"].flatten().int().tolist()
    assert samples["logits"].flatten().tolist() == [told[i] for i in numbers]
    assert samples["y"].tolist() == [i % 3 for i in numbers]
    assert len({i // 4 for i in numbers}) > 1


@pytest.mark.parametrize("kind", [Reservoir, BalancedReservoir])
def test_a_head_that_grows_leaves_nan_in_columns_that_were_not_there(kind: type) -> None:
    memory = kind(capacity=4)
    memory.keep_logits = True
    rng = generator(1)
    feed(memory, 4, 4, rng, width=2)
    before = memory.samples["logits"].clone()
    while held(memory) == [0, 1, 2, 3]:
        batch = batch_of([9], [1])
        memory.observe(batch, torch.full((1, 5), 9.0), rng)
    logits = memory.samples["logits"]
    assert logits.shape == (4, 5)
    for slot, number in enumerate(held(memory)):
        if number == 9:
            assert logits[slot].tolist() == [9.0] * 5
        else:
            assert torch.equal(logits[slot, :2], before[slot])
            assert logits[slot, 2:].isnan().all()


def test_logits_narrower_than_those_before_are_filled_up() -> None:
    memory = Reservoir(capacity=4)
    memory.keep_logits = True
    feed(memory, 2, 2, generator(0), width=3)
    batch = batch_of([7])
    memory.observe(batch, torch.tensor([[7.0, 7.0]]), generator(0))
    assert memory.samples["logits"][2].tolist()[:2] == [7.0, 7.0]
    assert memory.samples["logits"][2, 2].isnan()


@pytest.mark.parametrize("kind", [Reservoir, BalancedReservoir])
@pytest.mark.parametrize("seen", [3, 30])
def test_a_restart_goes_on_identically(kind: type, seen: int) -> None:
    classes = [i * i % 3 for i in range(60)]

    def go_on(memory: Memory, rng: torch.Generator) -> Iterator[list[int]]:
        for start in range(seen, 60, 4):
            numbers = list(range(start, min(start + 4, 60)))
            batch = batch_of(numbers, [classes[i] for i in numbers])
            memory.observe(batch, batch.raw.expand(-1, 2), rng)
            yield held(memory)

    first = kind(capacity=6)
    first.keep_logits = True
    rng = generator(5)
    feed(first, seen, 4, rng, classes=classes)
    file = io.BytesIO()
    torch.save({"memory": first.state_dict(), "rng": rng.get_state()}, file)
    uninterrupted = list(go_on(first, rng))

    file.seek(0)
    state = torch.load(file, weights_only=True)
    second = kind(capacity=6)
    second.keep_logits = True
    second.load_state_dict(state["memory"], CPU)
    again = generator(0)
    again.set_state(state["rng"])
    assert list(go_on(second, again)) == uninterrupted
    assert uninterrupted[0] != uninterrupted[-1]
    for name, field in first.samples.items():
        torch.testing.assert_close(second.samples[name], field, rtol=0, atol=0, equal_nan=True)
    ours, theirs = (torch.Generator().manual_seed(8) for _ in range(2))
    assert torch.equal(first.draw(4, ours)["raw"], second.draw(4, theirs)["raw"])


@pytest.mark.parametrize("kind", [Reservoir, BalancedReservoir])
def test_two_memories_with_one_past_do_not_share_their_future(kind: type) -> None:
    first, second = kind(capacity=4), kind(capacity=4)
    feed(first, 4, 4, generator(0))
    second.load_state_dict(first.state_dict(), CPU)
    before = held(second)
    feed(first, 40, 4, generator(1), classes=[1] * 40)
    assert held(first) != before
    assert held(second) == before


@pytest.mark.parametrize("kind", [Reservoir, BalancedReservoir])
def test_a_draw_is_uniform_without_replacement_and_from_what_is_there(kind: type) -> None:
    memory = kind(capacity=100)
    feed(memory, 6, 6, generator(0))
    assert sorted(memory.draw(50, generator(1))["raw"].flatten().tolist()) == [0, 1, 2, 3, 4, 5]
    rng = generator(2)
    counts = Counter[int]()
    for _ in range(3000):
        drawn = memory.draw(2, rng)["raw"].flatten().int().tolist()
        assert len(set(drawn)) == 2
        counts.update(drawn)
    deviation = math.sqrt(3000 * (1 / 3) * (2 / 3))
    assert max(abs(counts[i] - 1000) for i in range(6)) < 4.5 * deviation


@pytest.mark.parametrize("size", [1, 5, 40])
@pytest.mark.parametrize("seed", range(4))
def test_the_balanced_reservoir_is_its_algorithm(size: int, seed: int) -> None:
    # Imbalanced and in order of class, as a stream brings them; then the first class once more.
    classes = [0] * 12 + [1] * 30 + [2] * 5 + [3] * 20 + [0] * 13
    memory = BalancedReservoir(capacity=9)
    feed(memory, len(classes), size, generator(seed), classes=classes)
    rng = generator(seed)

    def draw() -> tuple[float, float]:
        u, v = torch.rand(2, generator=rng, dtype=torch.float64).tolist()
        return u, v

    assert held(memory) == slow.class_balancing(9, classes, draw)
    assert memory.samples["y"].tolist() == [classes[i] for i in held(memory)]


def test_the_balanced_reservoir_is_its_algorithm_after_a_restart_anywhere() -> None:
    classes = [0] * 7 + [3] * 9 + [1] * 6 + [0, 1, 3] * 6
    for stop in range(0, len(classes), 5):
        rng = generator(3)
        memory = BalancedReservoir(capacity=6)
        feed(memory, stop, 1, rng, classes=classes)
        resumed = BalancedReservoir(capacity=6)
        resumed.load_state_dict(memory.state_dict(), CPU)
        for i in range(stop, len(classes)):
            batch = batch_of([i], [classes[i]])
            resumed.observe(batch, batch.raw, rng)
        again = generator(3)

        def draw(again: torch.Generator = again) -> tuple[float, float]:
            u, v = torch.rand(2, generator=again, dtype=torch.float64).tolist()
            return u, v

        assert held(resumed) == slow.class_balancing(6, classes, draw)


def test_a_batch_for_a_large_balanced_reservoir_is_a_matter_of_a_millisecond() -> None:
    memory = BalancedReservoir(capacity=2000)
    rng = generator(0)
    feed(memory, 2000, 500, rng, classes=[i % 50 for i in range(2000)])
    batches = [batch_of(list(range(128)), [50 + i % 2] * 128) for i in range(20)]
    start = time.perf_counter()
    for batch in batches:
        memory.observe(batch, batch.raw, rng)
    # It takes 0.8 ms; counting the whole table for each sample took 11 and more.
    assert (time.perf_counter() - start) / len(batches) < 5e-3


def test_the_balanced_reservoir_keeps_classes_balanced_where_the_plain_one_does_not() -> None:
    classes = [0] * 500 + [1] * 50 + [2] * 500 + [3] * 10
    balanced, plain = BalancedReservoir(capacity=40), Reservoir(capacity=40)
    feed(balanced, len(classes), 10, generator(0), classes=classes)
    feed(plain, len(classes), 10, generator(0), classes=classes)
    assert Counter(balanced.samples["y"].tolist()) == {0: 10, 1: 10, 2: 10, 3: 10}
    assert min(Counter({0: 0, 1: 0, 2: 0, 3: 0} | Counter(plain.samples["y"].tolist())).values()) < 5


def test_within_a_class_the_balanced_reservoir_is_uniform() -> None:
    # 30 samples of one class for 5 slots: a reservoir of its own.
    rng = generator(11)
    counts = Counter[int]()
    for _ in range(3000):
        memory = BalancedReservoir(capacity=5)
        feed(memory, 30, 10, rng)
        counts.update(held(memory))
    p = 5 / 30
    deviation = math.sqrt(3000 * p * (1 - p))
    assert max(abs(counts[i] - 3000 * p) for i in range(30)) < 4.5 * deviation


@pytest.mark.parametrize("kind", [Reservoir, BalancedReservoir])
def test_a_capacity_below_1_is_refused(kind: type) -> None:
    with pytest.raises(BadCall, match="capacity must be at least 1, got 0"):
        kind(capacity=0)


def test_a_number_stands_for_a_memory() -> None:
    own = BalancedReservoir(capacity=3)
    assert as_memory(own, "herding") is own
    reservoir, herding = as_memory(5, "reservoir"), as_memory(6, "herding")
    assert isinstance(reservoir, Reservoir) and reservoir.capacity == 5
    assert isinstance(herding, Herding) and herding.total == 6
    for value in (True, "5", None):
        with pytest.raises(TypeError, match="a number of samples or a memory"):
            as_memory(value, "reservoir")


def test_bytes_are_counted() -> None:
    memory = Reservoir(capacity=4)
    assert memory.nbytes == 0
    feed(memory, 4, 4, generator(0))
    assert memory.nbytes == 4 * (4 + 8 + 8)


def test_every_registered_memory_has_its_tests() -> None:
    exemplars = {"balanced", "herding", "kmeans", "random"}
    assert set(registry.names()) == {"balanced_reservoir", "reservoir", *exemplars}


def test_an_empty_memory_is_empty() -> None:
    for memory in (Reservoir(capacity=3), BalancedReservoir(capacity=3)):
        assert len(memory) == 0
        memory.observe(batch_of([]), torch.zeros(0, 2), generator(0))
        assert len(memory) == 0
