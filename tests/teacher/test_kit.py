"""The conformance kit finds teachers that break their promises."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing import check_teacher


class TheStudent(Snapshot):
    def observe(self, model: nn.Module, task: Task) -> None:
        self.module = model


class InTraining(Snapshot):
    def observe(self, model: nn.Module, task: Task) -> None:
        self.module = copy.deepcopy(model).requires_grad_(False)


class Following(Snapshot):
    """Its BatchNorm statistics follow, and it does not say so."""

    def __init__(self) -> None:
        super().__init__(bn="adapt")

    @property
    def adapts(self) -> bool:
        return False


class Asking(Snapshot):
    def observe(self, model: nn.Module, task: Task) -> None:
        super().observe(model, task)
        assert self.module is not None
        self.module.requires_grad_(True)


class Forgetful(Snapshot):
    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        super().load_state_dict({**state, "weights": rebuild(0).state_dict()}, rebuild)


class Silent(Snapshot):
    @property
    def ready(self) -> bool:
        return False


class WithoutMaps(Snapshot):
    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        return Said(super().teach(batch).logits)


class WithoutGradients(Snapshot):
    offers = frozenset({"logits", "maps", "gradients"})

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        said = super().teach(batch, wants)
        said.logits = said.logits.detach().requires_grad_(wants.gradients)
        return said


class Guessing(Snapshot):
    """Says something about classes that it does not know."""

    @property
    def columns(self) -> tuple[int, ...]:
        return (0,)


class Moody(Ensemble):
    def __init__(self) -> None:
        super().__init__(teachers=[Snapshot()])
        self.calls = 0

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        self.calls += 1
        said: Tensor = super().teach(batch, wants).logits
        return Said(said + self.calls)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (TheStudent, "answers differently after the student trained"),
        (InTraining, "answers differently|moved while it taught|in training mode"),
        (Following, "moved while it taught; does it adapt"),
        (Asking, "ask for gradients"),
        (Forgetful, "differently after state_dict and load_state_dict"),
        (Silent, "is not ready inside the second task"),
        (WithoutMaps, "offers features and says none"),
        (WithoutGradients, "have none with respect to its last map"),
        (Guessing, "classes that it does not know"),
        (Moody, "answers differently after the student trained"),
    ],
)
def test_a_broken_promise_is_named(broken: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_teacher(broken)


def test_the_kit_draws_nothing_from_the_default_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    check_teacher(Snapshot)
    assert torch.equal(before, torch.get_rng_state())
