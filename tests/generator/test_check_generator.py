"""The kit refuses generators that break a promise."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from lifelong_kd.core.types import Batch
from lifelong_kd.generator.base import Generator, Made
from lifelong_kd.generator.vae import Vae
from lifelong_kd.testing import check_generator


class Small(Vae):
    def __init__(self) -> None:
        super().__init__(hidden=[8], latent=2)


class Early(Small):
    @property
    def ready(self) -> bool:
        return True


class Unseeded(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        with torch.random.fork_rng(devices=[]):
            torch.seed()
            return Made(torch.rand(count, 1, 8, 8))


class Rigid(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        return Made(torch.full((count, 1, 8, 8), 0.5))


class Disturbing(Small):
    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        torch.rand(1)
        super().learn(new, replayed, share)


class Moving(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        with torch.no_grad():
            return self.sample(self.learning, count, generator)


class Bright(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        made = super().draw(count, generator)
        return Made(255 * made.raw)


class Flat(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        return Made(super().draw(count, generator).raw.flatten(1))


class Ahead(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        return Made(super().draw(count, generator).raw, torch.full((count,), 2))


class Attached(Small):
    def draw(self, count: int, generator: torch.Generator) -> Made:
        return Made(super().draw(count, generator).raw.requires_grad_())


class Forgetful(Small):
    """Its optimiser begins anew after a restart."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._attach(self.learning)


class Impostor(Small):
    """Trains the student instead of itself."""

    def check(self, task: Any, data: Any, model: Any) -> None:
        super().check(task, data, model)
        self.student = model

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        super().learn(new, replayed, share)
        with torch.no_grad():
            next(self.student.parameters()).add_(1.0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Early, "fresh Early says that it is ready"),
        (Unseeded, "other samples for a generator in the same state"),
        (Rigid, "the same samples whatever the generator"),
        (Disturbing, "draws from torch's default generator"),
        (Moving, "depend on how far it has learned"),
        (Bright, r"not in \[0, 1\]"),
        (Flat, r"samples of shape \(64,\), not \(1, 8, 8\)"),
        (Ahead, "gives classes .*, not old ones"),
        (Attached, "carry a gradient"),
        (Forgetful, "another state some steps after a restart between two tasks"),
        (Impostor, "changes the student"),
    ],
)
def test_a_broken_promise_is_named(make: Callable[[], Generator], said: str) -> None:
    state = torch.get_rng_state()
    with pytest.raises(AssertionError, match=said):
        check_generator(make)
    torch.set_rng_state(state)


def test_a_generator_that_keeps_its_promises_passes() -> None:
    check_generator(Small)
