"""The check of phases finds what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch

from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.testing import check_phase

Act = Callable[[Stage], object]


def acting(act: Act) -> Callable[[], Phase]:
    class Acting(Phase):
        when: ClassVar[When] = "balanced"

        def run(self, stage: Stage) -> None:
            act(stage)

    return Acting


def leave_a_gradient(stage: Stage) -> None:
    bias = stage.model.head.bias  # type: ignore[union-attr]
    bias.grad = torch.ones_like(bias)  # type: ignore[union-attr, arg-type]


def replace_a_parameter(stage: Stage) -> None:
    bias = stage.model.head.bias  # type: ignore[union-attr]
    stage.model.head.bias = torch.nn.Parameter(bias.detach().clone())  # type: ignore[union-attr, operator]


def forget(stage: Stage) -> None:
    stage.memory.samples["raw"] *= 0  # type: ignore[union-attr]


drawn = iter(range(100))


def differ(stage: Stage) -> None:
    with torch.no_grad():
        stage.model.head.bias += next(drawn)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda stage: torch.rand(1), "torch's default generator"),
        (lambda stage: torch.rand(1, generator=stage.seeds.generator("elsewhere")), "not its own"),
        (lambda stage: stage.model.eval(), "another mode"),
        (leave_a_gradient, "gradients behind"),
        (lambda stage: stage.model.head.requires_grad_(False), "requires_grad"),
        (replace_a_parameter, "other objects"),
        (lambda stage: stage.model.register_forward_hook(print), "hooks"),
        (forget, "memory's samples"),
        (lambda stage: stage.model.head.bias.data.fill_(torch.nan), "not finite"),
        (differ, "other weights"),
    ],
)
def test_it_says_what_is_wrong(act: Act, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_phase(acting(act), strategy=False)


def test_it_lets_a_harmless_phase_pass() -> None:
    check_phase(acting(lambda stage: stage.note("test/value", 1.0)), strategy=False)
