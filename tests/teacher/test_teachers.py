"""Snapshots, stored logits and the cache: what they say, and that nothing moves them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.types import LOGITS, Said, Wants
from lifelong_kd.model.build import build_network
from lifelong_kd.teacher.cache import CacheKey, OutputCache
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.teacher.stored import Stored
from tests.teacher.life import (
    CPU,
    FIRST,
    SECOND,
    batch_of,
    call,
    inputs,
    network,
    rebuilder,
    same,
    saved,
    state_of,
)


def taught(student: nn.Module, task: Any = FIRST, **options: Any) -> Snapshot:
    teacher = Snapshot(**options)
    teacher.begin(call, CPU)
    teacher.observe(student, task)
    return teacher


def test_a_snapshot_is_silent_until_it_has_seen_a_task() -> None:
    teacher = Snapshot()
    teacher.begin(call, CPU)
    assert not teacher.ready
    with pytest.raises(RuntimeError, match="before it had a network"):
        teacher.teach(batch_of(inputs(0)))
    teacher.observe(network(), FIRST)
    assert teacher.ready


def test_it_says_what_the_student_said_in_evaluation() -> None:
    student = network()
    student(inputs(9))  # moves the BatchNorm statistics away from 0 and 1
    teacher = taught(student)
    said = teacher.teach(batch_of(inputs(1))).logits
    assert not said.requires_grad
    assert torch.equal(said, student.eval()(inputs(1)).detach())
    # The statistics are the running ones, not the batch's: half a batch gets half the answers.
    half = teacher.teach(batch_of(inputs(1)[:8])).logits
    torch.testing.assert_close(half, said[:8])


def test_an_epoch_of_teaching_leaves_it_bitwise_unchanged() -> None:
    student = network()
    student(inputs(9))
    teacher = taught(student)
    assert teacher.module is not None
    before = state_of(teacher.module)
    assert same(before, state_of(student))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    for step in range(10):
        student.train()
        x = inputs(step)
        said = teacher.teach(batch_of(x)).logits
        loss = (student(x) - said).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert student.training  # teaching leaves the student in the mode it was in
    after = state_of(teacher.module)
    assert same(before, after)
    assert any("running_mean" in name for name in before)
    # The student itself moved, in parameters and in buffers.
    moved = [name for name, value in student.state_dict().items() if not torch.equal(value, before[name])]
    assert len(moved) == len(before)
    assert all(parameter.grad is None for parameter in teacher.module.parameters())


def test_it_stays_in_evaluation_whatever_is_asked() -> None:
    student = network()
    teacher = taught(student)
    assert teacher.module is not None
    student.train()
    teacher.module.train()
    assert not any(module.training for module in teacher.module.modules())
    assert not any(parameter.requires_grad for parameter in teacher.module.parameters())
    x = batch_of(inputs(2))
    assert torch.equal(teacher.teach(x).logits, teacher.teach(x).logits)  # dropout is off


def test_dropout_of_the_student_does_not_notice_that_it_is_taught() -> None:
    student = network()
    teacher = taught(student)
    torch.manual_seed(3)
    alone = student(inputs(0)).detach()
    torch.manual_seed(3)
    teacher.teach(batch_of(inputs(0)))
    assert torch.equal(student(inputs(0)).detach(), alone)


def test_it_is_no_part_of_the_student_nor_of_the_next_snapshot() -> None:
    student = network()
    names, parameters = list(student.state_dict()), len(list(student.parameters()))
    teacher = taught(student)
    assert list(student.state_dict()) == names
    assert len(list(student.parameters())) == parameters
    shared = {value.data_ptr() for value in student.state_dict().values()}
    assert teacher.module is not None
    first = teacher.module
    assert shared.isdisjoint(value.data_ptr() for value in first.state_dict().values())
    teacher.observe(student, SECOND)
    assert teacher.module is not first
    assert list(teacher.module.state_dict()) == names
    assert all(module is not first for module in teacher.module.modules())
    assert not any(value is first for module in teacher.module.modules() for value in vars(module).values())


def test_it_keeps_the_width_it_had_when_the_student_grows() -> None:
    student = network(grow=True)
    student.grow((0, 1), 0)
    teacher = taught(student)
    student.grow((2, 3), 0)
    assert student(inputs(0)).shape[1] == 4
    assert teacher.teach(batch_of(inputs(0))).logits.shape[1] == 2


def test_a_restart_restores_it_bit_for_bit() -> None:
    student = network(1, grow=True)
    for task in (FIRST, SECOND):
        student.grow(task.new, 0)
        student(inputs(3))
    teacher = taught(student, SECOND)
    again = Snapshot()
    again.begin(call, CPU)
    asked: list[int] = []
    again.load_state_dict(saved(teacher), rebuilder(asked))
    assert asked == [1]
    assert again.ready and again.module is not None and teacher.module is not None
    assert same(state_of(again.module), state_of(teacher.module))
    assert not again.module.training and not any(p.requires_grad for p in again.module.parameters())
    x = batch_of(inputs(5))
    assert torch.equal(teacher.teach(x).logits, again.teach(x).logits)
    assert again.state_dict()["task"] == 1


def test_a_restart_before_the_first_snapshot_is_silent() -> None:
    def rebuild(task: int) -> nn.Module:
        raise AssertionError("there is nothing to rebuild")

    again = taught(network())
    again.load_state_dict(Snapshot().state_dict(), rebuild)
    assert not again.ready
    assert again.state_dict() == {"task": -1, "corrected": None}


def test_stored_logits_are_what_the_memory_kept() -> None:
    batch = batch_of(inputs(0))
    kept = torch.randn(16, 4)
    batch.fields = {"logits": kept}
    teacher = Stored()
    assert teacher.ready
    assert teacher.teach(batch).logits is kept
    assert teacher.sources == {"memory", "memory2"}
    assert teacher.needs_fields == {"logits"}
    assert teacher.state_dict() == {}


# ---- what is said besides logits ------------------------------------------------------------------------------


def images(seed: int = 0) -> Tensor:
    return torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return build_network((1, 8, 8), 3, model=("cnn", {"width": 4}))


def test_features_and_maps_are_those_of_the_student() -> None:
    student = convolutional()
    teacher = taught(student)
    said = teacher.teach(batch_of(images()), Wants(features=True, maps=True))
    student.eval()
    torch.testing.assert_close(said.features, student.features(images()).detach())
    assert list(said.maps) == [f"backbone.stages.stage{n}" for n in (1, 2, 3)]
    assert [tuple(value.shape) for value in said.maps.values()] == [(6, 4, 8, 8), (6, 8, 4, 4), (6, 16, 2, 2)]
    torch.testing.assert_close(said.maps["backbone.stages.stage3"].mean((2, 3)), said.features)
    named = teacher.teach(batch_of(images()), Wants(at=("stage2",)))
    assert list(named.maps) == ["stage2"] and named.features is None
    assert not any(value.requires_grad for value in (said.logits, *said.maps.values()))


def test_logits_can_be_differentiated_by_the_maps_without_a_parameter_that_asks() -> None:
    teacher = taught(convolutional())
    plain = teacher.teach(batch_of(images())).logits
    said = teacher.teach(batch_of(images()), Wants(maps=True, gradients=True))
    torch.testing.assert_close(said.logits.detach(), plain)
    last = said.maps["backbone.stages.stage3"]
    (gradient,) = torch.autograd.grad(said.logits[:, 1].sum(), last)
    # The logit is linear in the mean over the positions of the last map.
    assert teacher.module is not None
    weight = teacher.module.head.weight[1]
    torch.testing.assert_close(gradient, (weight / 4).view(1, -1, 1, 1).expand_as(gradient))
    assert all(not p.requires_grad and p.grad is None for p in teacher.module.parameters())


# ---- statistics that follow -----------------------------------------------------------------------------------


def test_an_adapting_snapshot_follows_the_new_data_in_its_statistics_alone() -> None:
    student = network()
    teacher = taught(student, bn="adapt")
    assert teacher.adapts and not Snapshot().adapts
    assert teacher.module is not None
    before = state_of(teacher.module)
    x = 3.0 + 2.0 * inputs(1, 200)
    for _ in range(100):
        said = teacher.teach(batch_of(x)).logits
    assert not said.requires_grad
    after = state_of(teacher.module)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "running" in name or "num_batches" in name} != set()
    # The running statistics of the first layer are those of what reached it.
    inside: list[Tensor] = []
    first = next(part for part in teacher.module.modules() if isinstance(part, nn.BatchNorm1d))
    first.register_forward_pre_hook(lambda module, given: inside.append(given[0]))
    teacher.teach(batch_of(x))
    torch.testing.assert_close(first.running_mean, inside[0].mean(0), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(first.running_var, inside[0].var(0), rtol=1e-3, atol=1e-3)
    # It normalises by the batch, and its dropout stays off.
    assert torch.equal(teacher.teach(batch_of(x)).logits, teacher.teach(batch_of(x)).logits)
    assert not torch.allclose(teacher.teach(batch_of(x[:8])).logits, said[:8])
    dropouts = [part for part in teacher.module.modules() if isinstance(part, nn.Dropout)]
    assert dropouts and not any(part.training for part in dropouts)


def test_the_student_keeps_its_own_statistics() -> None:
    student = network()
    before = state_of(student)
    teacher = taught(student, bn="adapt")
    teacher.teach(batch_of(inputs(1) + 5))
    assert same(before, state_of(student))


def test_adapted_statistics_survive_a_restart_and_go_on() -> None:
    teacher = taught(network(grow=True, classes=2), bn="adapt")
    for seed in range(3):
        teacher.teach(batch_of(inputs(seed) + 1))
    again = Snapshot(bn="adapt")
    again.begin(call, CPU)
    again.load_state_dict(saved(teacher), rebuilder())
    for seed in range(3):
        x = batch_of(inputs(10 + seed))
        assert torch.equal(teacher.teach(x).logits, again.teach(x).logits)
    assert teacher.module is not None and again.module is not None
    assert same(state_of(teacher.module), state_of(again.module))


def test_a_snapshot_knows_two_ways_with_statistics() -> None:
    with pytest.raises(BadCall, match="'frozen' or 'adapt', not 'follow'"):
        Snapshot(bn="follow")  # type: ignore[arg-type]


class Shift(nn.Module):
    """A correction with a parameter that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(()))

    def rectify(self, logits: Tensor) -> Tensor:
        return logits + self.by


def test_a_corrected_snapshot_teaches_what_the_correction_was_then() -> None:
    shift = Shift()
    teacher = Snapshot().corrected_by(shift)
    teacher.begin(call, CPU)
    with torch.no_grad():
        shift.by += 1
    student = network()
    teacher.observe(student, FIRST)
    with torch.no_grad():
        shift.by += 10
    said = teacher.teach(batch_of(inputs(0))).logits
    assert not said.requires_grad
    torch.testing.assert_close(said, student.eval()(inputs(0)).detach() + 1)


# ---- cache ----------------------------------------------------------------------------------------------------

KEY = CacheKey(teacher="0123456789abcdef", samples="s", view="v")


def cached(teacher: Snapshot, x: Tensor, wants: Wants = LOGITS) -> OutputCache:
    def say(index: Tensor) -> Said:
        return teacher.ask(batch_of(x[index]), wants)

    teacher.cache = OutputCache.fill(KEY, len(x), say)
    return teacher.cache


def test_the_cache_asks_about_every_sample_once_many_at_a_time() -> None:
    asked: list[list[int]] = []

    def say(index: Tensor) -> Said:
        asked.append(index.tolist())
        return Said(index[:, None].float().requires_grad_() * 2)

    cache = OutputCache.fill(KEY, 5000, say)
    assert [len(part) for part in asked] == [2048, 2048, 904]
    assert [i for part in asked for i in part] == list(range(5000))
    assert not cache.outputs["logits"].requires_grad
    assert cache.get(torch.tensor([4999, 3, 3])).logits.tolist() == [[9998.0], [6.0], [6.0]]
    assert cache.hits == 3


def test_a_cached_snapshot_says_the_same_without_being_asked() -> None:
    teacher = taught(network())
    x = inputs(4, 50)
    cache = cached(teacher, x)
    calls: list[int] = []

    def counted(
        module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        calls.append(len(x))
        return call(module, x, label, wants)

    teacher.begin(counted, CPU)
    index = torch.tensor([7, 0, 49, 7])
    said = teacher.teach(batch_of(x[index], index)).logits
    fresh = teacher.ask(batch_of(x[index])).logits
    torch.testing.assert_close(said, fresh, rtol=1e-5, atol=1e-6)
    assert calls == [4]  # the fresh one only
    assert cache.hits == 4
    # A batch without positions, such as one from memory, is not the cache's business.
    teacher.teach(batch_of(x[index]))
    assert calls == [4, 4] and cache.hits == 4


def test_check_mode_asks_and_compares() -> None:
    teacher = taught(network())
    x = inputs(4, 50)
    cache = cached(teacher, x)
    teacher.checking = True
    index = torch.arange(10)
    teacher.teach(batch_of(x[index], index))
    assert cache.hits == 0
    with pytest.raises(
        RunFailed, match=r"teacher 0123456789ab differ from fresh ones by .*teacher_cache=off"
    ):
        teacher.teach(batch_of(x[index] + 0.1, index))
    cache.outputs["logits"][3, 0] = torch.nan
    with pytest.raises(RunFailed, match="nan"):
        teacher.teach(batch_of(x[index], index))


def test_the_tolerance_of_check_mode_is_relative_to_large_logits() -> None:
    cache = OutputCache(KEY, {"logits": torch.tensor([[1000.0, 0.0], [1.0, 0.0]])})
    cache.check(torch.tensor([0]), Said(torch.tensor([[1000.05, 0.0]])))
    cache.check(torch.tensor([1]), Said(torch.tensor([[1.00005, 0.0]])))
    with pytest.raises(RunFailed):
        cache.check(torch.tensor([0]), Said(torch.tensor([[1000.2, 0.0]])))
    with pytest.raises(RunFailed):
        cache.check(torch.tensor([1]), Said(torch.tensor([[1.001, 0.0]])))


def test_features_are_cached_where_they_are_asked_for() -> None:
    teacher = taught(network())
    x = inputs(4, 50)
    wants = Wants(features=True)
    cache = cached(teacher, x, wants)
    index = torch.tensor([7, 0, 7])
    kept, fresh = teacher.teach(batch_of(x[index], index), wants), teacher.ask(batch_of(x[index]), wants)
    assert cache.hits == 3 and kept.features is not None
    torch.testing.assert_close(kept.features, fresh.features)
    teacher.checking = True
    teacher.teach(batch_of(x[index], index), wants)
    cache.outputs["features"][7] += 1
    with pytest.raises(RunFailed, match="differ from fresh ones"):
        teacher.teach(batch_of(x[index], index), wants)


def test_a_new_snapshot_has_no_cache() -> None:
    student = network()
    teacher = taught(student)
    cached(teacher, inputs(0))
    teacher.observe(student, SECOND)
    assert teacher.cache is None
    cached(teacher, inputs(0))
    teacher.load_state_dict(teacher.state_dict(), lambda task: network(5))
    assert teacher.cache is None
