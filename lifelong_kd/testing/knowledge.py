"""What every knowledge promises."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.types import Said
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.trainable import Trainable
from lifelong_kd.testing.expect import expect

__all__ = ["check_knowledge"]


def check_knowledge(knowledge: Knowledge, *, samples: int = 7, columns: int = 5) -> None:
    """Check that a knowledge is 0 at agreement, positive elsewhere, per sample, finite and one-sided.

    It is given what it ``needs``: logits, features, maps of two stages, or logits that depend on two maps.

    Args:
        knowledge: what is checked; it is not changed.
        samples: size of the batch, at least 3.
        columns: number of logits, dimensions or channels, at least 2.

    Raises:
        AssertionError: saying which promise is broken.
    """
    form = _Form.of(knowledge, columns)
    name = type(knowledge).__name__
    knowledge = copy.deepcopy(knowledge)
    generator = torch.Generator().manual_seed(0)
    student, teacher = form.draw(samples, generator), form.draw(samples, generator)

    def said(one: _Values, other: _Values) -> Tensor:
        return knowledge(form.argument(one), form.argument(other))

    values = said(student, teacher)
    expect(
        values.shape == (samples,),
        f"{name} gives shape {tuple(values.shape)}, not one value a sample ({samples},)",
    )
    expect((values > 0).all(), f"{name} is not positive where student and teacher differ: {values.tolist()}")
    values.sum().backward()
    expect(_slope(student) > 0, f"{name} gives the student no gradient")
    expect(all(each.grad is None for each in teacher), f"{name} gives the teacher a gradient")
    values = values.detach()

    again = _leaves(student)
    same = said(again, _leaves(student))
    expect(same.abs().max() < 1e-5, f"{name} is {same.tolist()} at student = teacher, not 0")
    same.sum().backward()
    expect(_finite(again), f"{name} has no finite gradient at student = teacher")

    order = torch.randperm(samples, generator=generator)
    moved = said(_leaves(student, order), _leaves(teacher, order))
    if knowledge.mixes_samples:
        expect(
            torch.allclose(moved, values[order], atol=1e-5),
            f"{name} gives other values when the samples of a batch change places",
        )
    else:
        expect(torch.allclose(moved, values[order], atol=1e-6), f"{name} mixes samples of a batch")
        for i in range(samples):
            row = torch.tensor([i])
            alone = said(_leaves(student, row), _leaves(teacher, row))
            expect(torch.allclose(alone, values[row], atol=1e-5), f"{name} mixes samples of a batch")

    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        cast = said(*(_leaves([each.detach().to(dtype) for each in side]) for side in (student, teacher)))
        expect(
            torch.allclose(cast.float(), values, rtol=0.1, atol=0.05),
            f"{name} is wrong in {dtype}",
        )
    with torch.autocast("cpu", torch.bfloat16):
        cast = knowledge(form.argument(student), form.argument(teacher))
    expect(torch.allclose(cast.float(), values, rtol=0.1, atol=0.05), f"{name} is wrong under autocast")

    for what, extreme in form.extremes(student).items():
        found = said(extreme, teacher)
        expect(found.isfinite().all(), f"{name} is not finite at {what}: {found.tolist()}")
        found.sum().backward()
        expect(_finite(extreme), f"{name} has no finite gradient at {what}")

    empty = _leaves(student, torch.zeros(0, dtype=torch.int64))
    nothing = said(empty, _leaves(teacher, torch.zeros(0, dtype=torch.int64))).sum()
    nothing.backward()
    expect(
        float(nothing.detach()) == 0.0 and all(each.grad is not None for each in form.used(empty)),
        f"{name} of an empty batch is not an exact 0",
    )
    _check_state(knowledge, name, lambda other: other(form.argument(student), form.argument(teacher)), values)


def _check_state(knowledge: Knowledge, name: str, say: Callable[[Knowledge], Tensor], values: Tensor) -> None:
    """A copy that took over the state says the same, and is a copy."""
    state = {key: value.clone() for key, value in knowledge.state_dict().items()}
    other = copy.deepcopy(knowledge)
    if isinstance(knowledge, Trainable) and isinstance(other, Trainable):
        for parameter in other.parameters():
            torch.nn.init.zeros_(parameter)
        expect(torch.allclose(say(knowledge), values, atol=1e-5), f"a copy of {name} shares its parameters")
    other.load_state_dict(state)
    expect(torch.allclose(say(other), values, atol=1e-5), f"{name} says something else after load_state_dict")


_Values = list[Tensor]
"""What one side is made of: leaves with the samples first."""


def _leaves(values: Sequence[Tensor], rows: Tensor | None = None) -> _Values:
    """Copies with gradients of their own, of the given rows."""
    return [(each if rows is None else each[rows]).detach().clone().requires_grad_() for each in values]


def _slope(values: Sequence[Tensor]) -> float:
    return sum(float(each.grad.abs().sum()) for each in values if each.grad is not None)


def _finite(values: Sequence[Tensor]) -> bool:
    return all(each.grad is None or bool(each.grad.isfinite().all()) for each in values)


@dataclass(frozen=True)
class _Form:
    """In which form a knowledge wants what is said: ``shapes`` of one sample's leaves, and what is made of them."""

    shapes: list[tuple[int, ...]]
    argument: Callable[[_Values], Any]
    positive: bool = False

    @classmethod
    def of(cls, knowledge: Knowledge, columns: int) -> _Form:
        if "gradients" in knowledge.needs:
            return cls([(columns, 4, 4), (columns, 2, 3)], _said, positive=True)
        if "maps" in knowledge.needs:
            return cls([(3, 4, 4), (columns, 2, 3)], list)
        return cls([(columns,)], lambda values: values[0])

    def draw(self, samples: int, generator: torch.Generator) -> _Values:
        drawn = [torch.randn(samples, *shape, generator=generator) for shape in self.shapes]
        return [(each.abs() + 0.1 if self.positive else each).requires_grad_() for each in drawn]

    def used(self, values: _Values) -> _Values:
        """The leaves that every knowledge of this form looks at: of class activation maps, the last stage."""
        return values[-1:] if self.positive else values

    def extremes(self, values: _Values) -> dict[str, _Values]:
        """Students at which formulas overflow, divide by 0 or have no slope."""
        signs = [torch.ones_like(each).index_fill(1, torch.tensor([0]), -1.0) for each in values]
        return {
            "values of 1e4": _leaves([1e4 * sign for sign in signs]),
            "values of -1e4": _leaves([-1e4 * sign for sign in signs]),
            "its values times 1e4": _leaves([1e4 * each for each in values]),
            "values of 0": _leaves([torch.zeros_like(each) for each in values]),
            "samples that are all the same": _leaves([each[:1].expand_as(each) for each in values]),
        }


def _said(values: _Values) -> Said:
    """Logits that depend on each place of two maps, more than linearly, so that gradients have gradients."""
    maps = {f"stage{number}": each * 1.0 for number, each in enumerate(values)}
    columns = values[0].shape[1]
    mixing = torch.ones(columns, columns, dtype=values[0].dtype) + torch.eye(columns, dtype=values[0].dtype)
    pooled = sum((each.square().mean(dim=(2, 3)) for each in maps.values()), start=torch.zeros(()))
    return Said((pooled[..., None] * mixing.to(pooled.dtype)).sum(dim=1), maps=maps)
