"""The strategy of latent replay against its formula: what is generated enters student and teacher behind a stage."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.types import Scenario
from lifelong_kd.generator.vae import Vae
from lifelong_kd.model.inside import from_inside
from lifelong_kd.phase.freeze import Freeze
from lifelong_kd.strategy.latent_replay import latent_replay
from tests.strategy.by_hand import ce, kl
from tests.strategy.generated import Third, third_step
from tests.strategy.test_dgr import HEADS, NEW, OLD, SEEN, hard, padded_kl


def inner() -> Vae:
    return Vae(hidden=[6], latent=3, likelihood="gaussian")


@torch.no_grad()
def both(third: Third) -> tuple[Tensor, Tensor]:
    """What student and previous model make of the generated outputs of the first layer."""
    drawn, solver = third.batch("generated"), third.driver.strategy.solver.module
    assert drawn.at == "layer1" and drawn.x is drawn.raw and drawn.x.shape == (7, 8)
    assert solver is not None
    return from_inside(third.driver.model, drawn.x, "layer1"), from_inside(solver, drawn.x, "layer1")


@pytest.mark.parametrize("temperature", [3.0, None])
def test_latent_replay_is_its_formula(temperature: float | None) -> None:
    third = third_step(
        latent_replay(at="layer1", generator=inner(), generator_batch=7, temperature=temperature)
    )
    said, taught = both(third)
    expected = ce(third.student("new"), third.batch("new").y, SEEN) / 3
    if temperature is None:
        expected += ce(said, hard(taught, OLD), SEEN) * 2 / 3
    else:
        expected += 9 * padded_kl(said, taught, 3.0) * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_in_other_scenarios(scenario: Scenario) -> None:
    third = third_step(latent_replay(at="layer1", generator=inner(), generator_batch=7), scenario)
    said, taught = both(third)
    if scenario == "task":
        expected = ce(third.student("new"), third.batch("new").y, NEW) / 3
        expected += 4 * sum(kl(said, taught, head) for head in HEADS) / 2 * 2 / 3
    else:
        expected = ce(third.student("new"), third.batch("new").y, (0, 1)) / 3
        expected += 4 * kl(said, taught, (0, 1)) * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)


def test_what_lies_below_stays_after_the_first_task_and_what_lies_behind_learns() -> None:
    third = third_step(latent_replay(at="layer1", generator=inner()))
    model, solver = third.driver.model, third.driver.strategy.solver.module
    assert solver is not None
    before = dict(solver.named_parameters())
    moved = {name for name, now in model.named_parameters() if not torch.equal(now, before[name])}
    assert moved and all(name.startswith("head") for name in moved)
    free = latent_replay(at="layer1", freeze=False)
    assert not free.phases and isinstance(latent_replay().phases[0], Freeze)
