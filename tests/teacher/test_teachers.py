"""Teachers: what they say, and that nothing moves them."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.core.types import Batch, Task
from lifelong_kd.model.build import build_network
from lifelong_kd.model.network import Network
from lifelong_kd.teacher import registry
from lifelong_kd.teacher.cache import CacheKey, OutputCache
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.teacher.stored import Stored

CPU = torch.device("cpu")
FIRST = Task(index=0, scenario="class", new=(0, 1))
SECOND = Task(index=1, scenario="class", new=(2, 3), history=((0, 1),))
THIRD = Task(index=2, scenario="class", new=(4, 5), history=((0, 1), (2, 3)))


def network(seed: int = 0, *, grow: bool = False) -> Network:
    torch.manual_seed(seed)
    model = ("mlp", {"hidden": [8, 6], "dropout": 0.5, "batch_norm": True})
    return build_network((5,), 6, model=model, head=("linear", {"grow": grow}))


def call(module: nn.Module, x: Tensor, label: Tensor) -> Tensor:
    said: Tensor = module(x)
    return said


def batch_of(x: Tensor, index: Tensor | None = None) -> Batch:
    zeros = torch.zeros(len(x), dtype=torch.int64)
    return Batch(x=x, y=zeros, label=zeros, raw=x, index=index)


def inputs(seed: int, count: int = 16) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def taught(student: nn.Module, task: Task = FIRST) -> Snapshot:
    teacher = Snapshot()
    teacher.begin(call, CPU)
    teacher.observe(student, task)
    return teacher


def test_the_teachers_are_those_tested_here() -> None:
    assert {registry.get(name) for name in registry.names()} == {Snapshot, Stored}


def test_a_snapshot_is_silent_until_it_has_seen_a_task() -> None:
    teacher = Snapshot()
    teacher.begin(call, CPU)
    assert not teacher.ready
    with pytest.raises(RuntimeError, match="from the second task on"):
        teacher.teach(batch_of(inputs(0)))
    teacher.observe(network(), FIRST)
    assert teacher.ready


def test_it_says_what_the_student_said_in_evaluation() -> None:
    student = network()
    student(inputs(9))  # moves the BatchNorm statistics away from 0 and 1
    teacher = taught(student)
    said = teacher.teach(batch_of(inputs(1)))
    assert isinstance(said, Tensor) and not said.requires_grad
    assert torch.equal(said, student.eval()(inputs(1)).detach())
    # The statistics are the running ones, not the batch's: half a batch gets half the answers.
    half = teacher.teach(batch_of(inputs(1)[:8]))
    assert isinstance(half, Tensor)
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
        said = teacher.teach(batch_of(x))
        assert isinstance(said, Tensor)
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
    one, two = teacher.teach(x), teacher.teach(x)
    assert isinstance(one, Tensor) and isinstance(two, Tensor)
    assert torch.equal(one, two)  # dropout is off


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
    said = teacher.teach(batch_of(inputs(0)))
    assert isinstance(said, Tensor)
    assert said.shape[1] == 2


def test_a_restart_restores_it_bit_for_bit() -> None:
    student = network(1, grow=True)
    for task in (FIRST, SECOND):
        student.grow(task.new, 0)
        student(inputs(3))
    teacher = taught(student, SECOND)
    file = io.BytesIO()
    torch.save(teacher.state_dict(), file)
    file.seek(0)
    asked = []

    def rebuild(task: int) -> nn.Module:
        asked.append(task)
        fresh = network(99, grow=True)
        for number in range(task + 1):
            fresh.grow(((0, 1), (2, 3), (4, 5))[number], 0)
        return fresh

    again = Snapshot()
    again.begin(call, CPU)
    again.load_state_dict(torch.load(file, weights_only=True), rebuild)
    assert asked == [1]
    assert again.ready and again.module is not None and teacher.module is not None
    assert same(state_of(again.module), state_of(teacher.module))
    assert not again.module.training and not any(p.requires_grad for p in again.module.parameters())
    one, two = teacher.teach(batch_of(inputs(5))), again.teach(batch_of(inputs(5)))
    assert isinstance(one, Tensor) and isinstance(two, Tensor)
    assert torch.equal(one, two)
    assert again.state_dict()["task"] == 1


def test_a_restart_before_the_first_snapshot_is_silent() -> None:
    def rebuild(task: int) -> nn.Module:
        raise AssertionError("there is nothing to rebuild")

    again = taught(network())
    again.load_state_dict(Snapshot().state_dict(), rebuild)
    assert not again.ready
    assert again.state_dict() == {"task": -1}


def test_stored_logits_are_what_the_memory_kept() -> None:
    batch = batch_of(inputs(0))
    kept = torch.randn(16, 4)
    batch.fields = {"logits": kept}
    teacher = Stored()
    assert teacher.ready
    assert teacher.teach(batch) is kept
    assert teacher.sources == {"memory", "memory2"}
    assert teacher.needs_fields == {"logits"}
    assert teacher.state_dict() == {}


# ---- cache ----------------------------------------------------------------------------------------------------

KEY = CacheKey(teacher="0123456789abcdef", samples="s", view="v")


def cached(teacher: Snapshot, x: Tensor) -> OutputCache:
    def say(index: Tensor) -> Tensor:
        said = teacher.ask(batch_of(x[index]))
        assert isinstance(said, Tensor)
        return said

    teacher.cache = OutputCache.fill(KEY, len(x), say)
    return teacher.cache


def test_the_cache_asks_about_every_sample_once_many_at_a_time() -> None:
    asked: list[list[int]] = []

    def say(index: Tensor) -> Tensor:
        asked.append(index.tolist())
        return index[:, None].float().requires_grad_() * 2

    cache = OutputCache.fill(KEY, 5000, say)
    assert [len(part) for part in asked] == [2048, 2048, 904]
    assert [i for part in asked for i in part] == list(range(5000))
    assert not cache.outputs.requires_grad
    assert cache.get(torch.tensor([4999, 3, 3])).tolist() == [[9998.0], [6.0], [6.0]]
    assert cache.hits == 3


def test_a_cached_snapshot_says_the_same_without_being_asked() -> None:
    teacher = taught(network())
    x = inputs(4, 50)
    cache = cached(teacher, x)
    calls = []
    teacher.begin(lambda module, x, label: calls.append(len(x)) or call(module, x, label), CPU)
    index = torch.tensor([7, 0, 49, 7])
    said = teacher.teach(batch_of(x[index], index))
    fresh = teacher.ask(batch_of(x[index]))
    assert isinstance(said, Tensor) and isinstance(fresh, Tensor)
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
    said = teacher.teach(batch_of(x[index], index))
    assert isinstance(said, Tensor)
    assert cache.hits == 0
    with pytest.raises(
        RunFailed, match=r"teacher 0123456789ab differ from fresh ones by .*teacher_cache=off"
    ):
        teacher.teach(batch_of(x[index] + 0.1, index))
    cache.outputs[3, 0] = torch.nan
    with pytest.raises(RunFailed, match="nan"):
        teacher.teach(batch_of(x[index], index))


def test_the_tolerance_of_check_mode_is_relative_to_large_logits() -> None:
    cache = OutputCache(KEY, torch.tensor([[1000.0, 0.0], [1.0, 0.0]]))
    cache.check(torch.tensor([0]), torch.tensor([[1000.05, 0.0]]))
    cache.check(torch.tensor([1]), torch.tensor([[1.00005, 0.0]]))
    with pytest.raises(RunFailed):
        cache.check(torch.tensor([0]), torch.tensor([[1000.2, 0.0]]))
    with pytest.raises(RunFailed):
        cache.check(torch.tensor([1]), torch.tensor([[1.001, 0.0]]))


def test_a_new_snapshot_has_no_cache() -> None:
    student = network()
    teacher = taught(student)
    cached(teacher, inputs(0))
    teacher.observe(student, SECOND)
    assert teacher.cache is None
    cached(teacher, inputs(0))
    teacher.load_state_dict(teacher.state_dict(), lambda task: network(5))
    assert teacher.cache is None
