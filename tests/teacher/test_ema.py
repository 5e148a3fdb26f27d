"""The running average: its formula, its growth, its restart."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.multihead import MultiHead
from lifelong_kd.teacher.ema import Ema
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


def begun(**options: Any) -> Ema:
    teacher = Ema(**options)
    teacher.begin(call, CPU)
    teacher.begin_task(FIRST)
    return teacher


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def move(student: nn.Module, seed: int) -> None:
    """Another student, parameters and statistics."""
    generator = rng(seed)
    with torch.no_grad():
        for value in student.state_dict().values():
            if value.is_floating_point():
                value += torch.rand(value.shape, generator=generator)
            else:
                value += 1


def test_it_is_a_copy_after_the_first_step_and_the_average_of_the_formula_from_then_on() -> None:
    student, teacher = network(), begun(decay=0.6, warm_up=False)
    assert not teacher.ready and teacher.adapts
    teacher.after_step(student, rng())
    assert teacher.ready and teacher.module is not None
    assert same(state_of(teacher.module), state_of(student))
    expected = {name: value.double() for name, value in state_of(student).items()}
    for seed in range(4):
        move(student, seed)
        teacher.after_step(student, rng())
        for name, value in student.state_dict().items():
            expected[name] = (
                0.6 * expected[name] + 0.4 * value if value.is_floating_point() else value.double()
            )
    for name, value in teacher.module.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
    assert not teacher.module.training and not any(p.requires_grad for p in teacher.module.parameters())


def weight_of(model: nn.Module) -> float:
    return float(next(model.parameters()).detach().flatten()[0])


def test_the_warm_up_of_cls_er() -> None:
    """The kept share of step s is min(1 - 1 / (s + 1), decay), s counting from 1."""
    student, teacher = network(), begun(decay=0.74)
    teacher.after_step(student, rng())
    assert teacher.module is not None
    for step in range(2, 7):
        before = weight_of(teacher.module)
        move(student, step)
        teacher.after_step(student, rng())
        kept = 2 / 3 if step == 2 else 0.74
        assert math.isclose(
            weight_of(teacher.module), kept * before + (1 - kept) * weight_of(student), rel_tol=1e-5
        )


def test_updates_come_with_their_probability_from_the_generator_given() -> None:
    def updates(seed: int) -> list[bool]:
        student, teacher, generator = network(), begun(decay=0.5, update_probability=0.3), rng(seed)
        found = []
        for step in range(301):
            before = weight_of(teacher.module) if teacher.module is not None else None
            move(student, step)
            teacher.after_step(student, generator)
            assert teacher.module is not None
            found.append(before is not None and weight_of(teacher.module) != before)
        return found[1:]

    one = updates(0)
    assert one == updates(0) != updates(1)
    # 300 draws: five standard deviations are 40.
    assert abs(sum(one) - 90) < 40


def test_it_never_draws_from_the_default_generator() -> None:
    student, teacher, generator = network(), begun(update_probability=0.5), rng()
    before = torch.get_rng_state()
    for _ in range(3):
        teacher.after_step(student, generator)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("bn", ["averaged", "copied", "adapt"])
def test_what_becomes_of_the_statistics(bn: Any) -> None:
    student, teacher = network(), begun(decay=0.5, warm_up=False, bn=bn)
    teacher.after_step(student, rng())
    assert teacher.module is not None
    first = _statistics(student)
    move(student, 1)
    second = _statistics(student)
    teacher.after_step(student, rng())
    found = _statistics(teacher.module)
    if bn == "averaged":
        torch.testing.assert_close(found, (first + second) / 2)
    else:
        assert torch.equal(found, second if bn == "copied" else first)
    teacher.teach(batch_of(inputs(1)))
    moved = not torch.equal(_statistics(teacher.module), found)
    assert moved == (bn == "adapt")


def _statistics(module: nn.Module) -> Tensor:
    return next(value.clone() for name, value in module.named_buffers() if "running_mean" in name)


@pytest.mark.parametrize("head", ["linear", "cosine", "multihead"])
def test_a_head_that_grows_is_followed(head: str) -> None:
    student = network(grow=True, classes=2, head=head)
    teacher = begun(decay=0.5, warm_up=False)
    teacher.after_step(student, rng())
    move(student, 1)
    teacher.after_step(student, rng())
    assert teacher.module is not None
    before = state_of(teacher.module)
    student.grow(SECOND.new, 1 if head == "multihead" else 0)
    teacher.begin_task(SECOND)
    assert teacher.teach(batch_of(inputs(0))).logits.shape[1] == 2
    teacher.update_probability = 1e-12  # only what growing does
    teacher.after_step(student, rng())
    said = teacher.teach(batch_of(inputs(0))).logits
    assert said.shape[1] == 4 and said.isfinite().all()
    after = state_of(teacher.module)
    for name, value in after.items():
        was = before.get(name)
        if was is None or not was.is_floating_point():
            assert torch.equal(value, student.state_dict()[name])
        else:
            assert torch.equal(value[: len(was)] if was.dim() else value, was)
            if was.dim() and len(value) > len(was):
                assert torch.equal(value[len(was) :], student.state_dict()[name][len(was) :])
    if head == "multihead":
        assert isinstance(teacher.module.head, MultiHead)
        assert teacher.module.head.columns == {"0": [0, 1], "1": [2, 3]}
    teacher.update_probability = 1.0
    move(student, 2)
    teacher.after_step(student, rng())
    for name, value in teacher.module.named_parameters():
        torch.testing.assert_close(value, (after[name] + student.state_dict()[name]) / 2)
    shared = {value.data_ptr() for value in student.state_dict().values()}
    assert shared.isdisjoint(value.data_ptr() for value in teacher.module.state_dict().values())
    assert not any(p.requires_grad for p in teacher.module.parameters())


@pytest.mark.parametrize("bn", ["averaged", "adapt"])
def test_a_restart_goes_on_alike(bn: Any) -> None:
    student, teacher, generator = network(grow=True, classes=2), begun(bn=bn, update_probability=0.5), rng()
    for step in range(3):
        move(student, step)
        teacher.after_step(student, generator)
    student.grow(SECOND.new)
    teacher.begin_task(SECOND)
    teacher.after_step(student, generator)
    teacher.teach(batch_of(inputs(3)))
    asked: list[int] = []
    again = Ema(bn=bn, update_probability=0.5)
    again.begin(call, CPU)
    again.begin_task(SECOND)
    again.load_state_dict(saved(teacher), rebuilder(asked))
    assert asked == [1] and again.steps == teacher.steps == 4
    other = rng()
    other.set_state(generator.get_state())
    for step in range(4):
        move(student, 10 + step)
        teacher.after_step(student, generator)
        again.after_step(student, other)
        x = batch_of(inputs(step))
        assert torch.equal(teacher.teach(x).logits, again.teach(x).logits)


def test_a_restart_before_the_first_step_is_silent() -> None:
    again = begun()
    again.after_step(network(), rng())
    again.load_state_dict(saved(begun()), rebuilder())
    assert not again.ready and again.steps == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 1.0}, r"decay must lie in \[0, 1\), got 1.0"),
        ({"decay": -0.1}, "decay must lie"),
        ({"update_probability": 0.0}, "update_probability must be above 0 and at most 1, got 0.0"),
        ({"update_probability": 1.5}, "update_probability"),
        ({"bn": "frozen"}, "bn is 'averaged', 'copied' or 'adapt', not 'frozen'"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Ema(**options)
