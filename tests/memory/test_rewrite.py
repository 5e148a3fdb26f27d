"""Slots: samples are found again where they were drawn from, and their fields can be overwritten there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.memory.base import Memory, joined
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.memory.random import Random
from lifelong_kd.memory.reservoir import BalancedReservoir, Reservoir
from tests.memory.test_exemplars import Data, describe, stream
from tests.memory.test_reservoir import batch_of, feed


def of_steps(kind: Callable[..., Memory]) -> Memory:
    memory = kind(capacity=8)
    memory.keep_logits = True
    feed(memory, 5, 5, torch.Generator().manual_seed(0), classes=[0, 1, 0, 1, 1], width=3)
    return memory


def of_tasks(kind: Callable[..., Memory]) -> Memory:
    memory = kind(total=5)
    memory.keep_logits = memory.keep_features = True
    data = Data((0,), 9, seed=0)
    memory.consolidate(stream([(0,)])[0], data, describe, torch.Generator().manual_seed(0))
    return memory


MADE = {
    "reservoir": lambda: of_steps(Reservoir),
    "balanced_reservoir": lambda: of_steps(BalancedReservoir),
    "herding": lambda: of_tasks(Herding),
    "random": lambda: of_tasks(Random),
}
EACH = pytest.mark.parametrize("name", MADE)


@EACH
def test_a_draw_tells_the_rows(name: str) -> None:
    memory = MADE[name]()
    drawn = memory.draw(3, torch.Generator().manual_seed(1))
    slot = drawn["slot"]
    assert slot.dtype == torch.int64 and slot.device.type == "cpu" and len(slot) == 3
    assert torch.equal(memory.samples["raw"][slot], drawn["raw"])
    assert memory.take(torch.tensor([2, 0]))["slot"].tolist() == [2, 0]


@EACH
def test_slots_are_no_part_of_what_is_kept(name: str) -> None:
    memory = MADE[name]()
    memory.draw(3, torch.Generator())
    assert "slot" not in memory.samples
    assert "slot" not in memory.state_dict()["samples"]
    assert "slot" not in memory.rows(torch.tensor([0]))


def test_exemplars_that_stay_do_not_take_their_slots_along() -> None:
    for kind in (Herding, Random):
        memory = kind(total=8)
        for task in stream([(0,), (1,), (2,)]):
            memory.consolidate(task, Data(task.new, 9, seed=task.index), describe, torch.Generator())
        assert set(memory.samples) == {"raw", "y", "label", "task"}


@EACH
def test_rewritten_rows_change_and_no_others(name: str) -> None:
    memory = MADE[name]()
    before = {field: values.clone() for field, values in memory.take(torch.arange(5)).items()}
    width = before["logits"].shape[1]
    values = torch.arange(2.0 * width).reshape(2, width).requires_grad_()
    memory.rewrite(torch.tensor([4, 1]), "logits", values)
    after = memory.take(torch.arange(5))
    assert torch.equal(after["logits"][[4, 1]], values.detach())
    assert not after["logits"].requires_grad
    assert torch.equal(after["logits"][[0, 2, 3]], before["logits"][[0, 2, 3]])
    assert all(torch.equal(after[field], before[field]) for field in before if field != "logits")


def test_wider_logits_widen_all_and_narrower_ones_are_filled_up() -> None:
    memory = of_steps(Reservoir)
    memory.rewrite(torch.tensor([1]), "logits", torch.full((1, 5), 9.0))
    logits = memory.take(torch.arange(5))["logits"]
    assert logits.shape == (5, 5)
    assert logits[1].tolist() == [9.0] * 5
    assert logits[0, :3].tolist() == [0.0] * 3 and logits[[0, 2, 3, 4]][:, 3:].isnan().all()
    memory.rewrite(torch.tensor([2]), "logits", torch.zeros(1, 2))
    logits = memory.take(torch.arange(5))["logits"]
    assert logits[2, :2].tolist() == [0.0, 0.0] and logits[2, 2:].isnan().all()
    # The table grows on as before.
    batch = batch_of([7], [1])
    memory.observe(batch, torch.full((1, 6), 7.0), torch.Generator())
    assert memory.take(torch.tensor([5]))["logits"].tolist() == [[7.0] * 6]


def test_features_are_rewritten_at_their_width_only() -> None:
    memory = of_tasks(Herding)
    memory.rewrite(torch.tensor([0]), "features", torch.ones(1, 3))
    assert memory.samples["features"][0].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(BadCall, match=r"have shape \(1, 3\), found values of shape \(1, 4\)"):
        memory.rewrite(torch.tensor([0]), "features", torch.ones(1, 4))


@EACH
def test_what_is_not_there_cannot_be_rewritten(name: str) -> None:
    memory = MADE[name]()
    with pytest.raises(BadCall, match=r"no field 'logit'\. Did you mean 'logits'"):
        memory.rewrite(torch.tensor([0]), "logit", torch.ones(1, 3))
    width = memory.samples["logits"].shape[1]
    # A reservoir of 8 has rows for samples that have not come yet: those are not there either.
    for slot in (-1, 5, 7, 100):
        with pytest.raises(BadCall, match=f"rows 0 to 4, found {slot}"):
            memory.rewrite(torch.tensor([slot]), "logits", torch.ones(1, width))
    with pytest.raises(BadCall, match="found values of shape"):
        memory.rewrite(torch.tensor([0, 1]), "logits", torch.ones(1, width))
    memory.rewrite(torch.tensor([], dtype=torch.int64), "logits", torch.ones(0, width))


def test_an_empty_memory_stores_nothing_yet() -> None:
    with pytest.raises(BadCall, match="nothing yet"):
        Reservoir(capacity=3).rewrite(torch.tensor([0]), "logits", torch.ones(1, 3))


def test_a_state_taken_before_does_not_see_what_is_rewritten() -> None:
    memory = of_steps(Reservoir)
    state = memory.state_dict()
    before = state["samples"]["logits"].clone()
    memory.rewrite(torch.tensor([0]), "logits", torch.full((1, 3), 5.0))
    assert torch.equal(state["samples"]["logits"], before)


def test_a_balanced_reservoir_counts_the_classes_that_are_rewritten() -> None:
    memory = BalancedReservoir(capacity=4)
    rng = torch.Generator().manual_seed(0)
    feed(memory, 4, 4, rng, classes=[0, 0, 0, 1])
    memory.rewrite(torch.tensor([0, 1]), "y", torch.tensor([1, 1]))
    feed(memory, 1, 1, rng, classes=[2])
    # Class 1 was the largest then, and gave a slot.
    assert sorted(memory.samples["y"].tolist()) == [0, 1, 1, 2]


def test_features_are_kept_by_exemplars_and_refused_by_reservoirs() -> None:
    memory = of_tasks(Herding)
    assert torch.equal(memory.samples["features"], describe(memory.samples["raw"])[1])
    memory.check(classes=5)
    for kind in (Reservoir, BalancedReservoir):
        reservoir = kind(capacity=3)
        reservoir.check(classes=5)
        reservoir.keep_features = True
        with pytest.raises(BadCall, match="not their features"):
            reservoir.check(classes=5)


def test_joining_nothing_gives_nothing() -> None:
    assert joined([]) == {}
