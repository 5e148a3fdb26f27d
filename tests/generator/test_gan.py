"""The GAN: its steps against a slow loop, and whose gradients a step follows."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch
from lifelong_kd.generator.gan import Adversaries, Critic, Gan, gradient_penalty
from lifelong_kd.teacher.snapshot import Snapshot
from tests.generator.solver import FIRST, Pixels


def begun(**options: float) -> tuple[Gan, Pixels]:
    made, data = Gan(**{"hidden": [12], "latent": 3, **options}), Pixels((0, 1))  # type: ignore[arg-type]
    made.begin(Seeds(1), torch.device("cpu"))
    made.begin_task(FIRST, data, Snapshot())
    return made, data


def batch(x: Tensor) -> Batch:
    y = torch.zeros(len(x), dtype=torch.int64)
    return Batch(x, y, y, x)


def softplus(value: float) -> float:
    return math.log(1 + math.exp(value))


def test_the_penalty_is_the_squared_slope_of_each_sample() -> None:
    critic = Critic("mlp", (1, 4, 4), [6])
    x = torch.rand(3, 1, 4, 4, requires_grad=True)
    for found, sample in zip(gradient_penalty(critic(x), x).detach(), x, strict=True):
        alone = sample.detach()[None].requires_grad_()
        (slope,) = torch.autograd.grad(critic(alone)[0], alone)
        assert float(found) == pytest.approx(sum(float(v) ** 2 for v in slope.flatten()), rel=1e-5)


def test_a_step_is_its_formula() -> None:
    """Adam's first step is its learning rate times the sign of the gradient: signs tell the losses."""
    made, data = begun(penalty=0.7, lr=0.01)
    before = copy.deepcopy(made.learning)
    assert isinstance(before, Adversaries)
    new, replayed = data.plain(data.x[:4]), data.plain(data.x[30:33])
    z = torch.randn(7, 3, generator=torch.Generator().manual_seed(Seeds(1).derive("generator/noise")))
    made.learn(batch(new), batch(replayed), 0.25)
    fake = torch.sigmoid(before.maker(z))
    judged: list[Tensor] = []
    for row, x in enumerate(torch.cat([new, replayed])):
        alone = x[None].requires_grad_()
        said = before.critic(alone)
        value = torch.nn.functional.softplus(-said) + torch.nn.functional.softplus(
            before.critic(fake[row : row + 1])
        )
        judged.append(value[0] + 0.35 * gradient_penalty(said, alone)[0])
    loss = 0.75 * sum(judged[:4]) / 4 + 0.25 * sum(judged[4:]) / 3
    slopes = torch.autograd.grad(loss, list(before.critic.parameters()))  # type: ignore[arg-type]
    after = made.learning
    assert isinstance(after, Adversaries)
    for slope, old, now in zip(slopes, before.critic.parameters(), after.critic.parameters(), strict=True):
        clear = slope.abs() > 1e-4
        torch.testing.assert_close((old - now)[clear] / 0.01, slope.sign()[clear], rtol=1e-3, atol=1e-3)
    # The maker climbs the critic that has made its step already.
    maker = torch.nn.functional.softplus(-after.critic(torch.sigmoid(before.maker(z)))).mean()
    slopes = torch.autograd.grad(maker, list(before.maker.parameters()))
    for slope, old, now in zip(slopes, before.maker.parameters(), after.maker.parameters(), strict=True):
        clear = slope.abs() > 1e-5
        torch.testing.assert_close((old - now)[clear] / 0.01, slope.sign()[clear], rtol=1e-2, atol=1e-2)


def test_the_log_has_the_mean_of_either_loss() -> None:
    made, data = begun(penalty=0.0)
    # A critic that says 0 of everything: softplus(0) twice, and once.
    for parameter in made.learning.critic.parameters():  # type: ignore[union-attr]
        torch.nn.init.zeros_(parameter)
    made.lr = 0.0
    for group in made.optimizer.param_groups:  # type: ignore[union-attr]
        group["lr"] = 0.0
    for _ in range(3):
        made.learn(batch(data.plain(data.x[:4])), None, 0.0)
    made.end_task(FIRST, data, torch.nn.Identity())
    assert list(made.values) == ["critic", "maker"]
    assert made.values["critic"] == pytest.approx(2 * math.log(2), rel=1e-5)
    assert made.values["maker"] == pytest.approx(math.log(2), rel=1e-5)


def test_samples_come_nearer_to_the_data() -> None:
    made, data = begun(lr=0.005, penalty=0.1)
    rng = torch.Generator().manual_seed(0)
    halves = data.plain(data.x).mean(dim=0)

    def apart() -> float:
        made.end_task(FIRST, data, torch.nn.Identity())
        drawn = made.draw(100, torch.Generator().manual_seed(0)).raw
        assert drawn.min() >= 0 and drawn.max() <= 1
        return float((drawn.mean(dim=0) - halves).square().mean())

    made.learn(batch(data.plain(data.x[:4])), None, 0.0)
    first = apart()
    for _ in range(150):
        rows = torch.randint(len(data.x), (16,), generator=rng)
        made.learn(batch(data.plain(data.x[rows])), None, 0.0)
    assert apart() < 0.3 * first


@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 8, 8)])
def test_convolutions_take_any_image(shape: tuple[int, ...]) -> None:
    both = Adversaries("conv", shape, (4, 6), 3)
    made = both.maker(torch.randn(2, 3))
    assert made.shape == (2, *shape) and both.critic(made).shape == (2,)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises((BadCall, ValueError), match="penalty"):
        Gan(penalty=-1.0)
    with pytest.raises(BadCall, match="momentum must lie in"):
        Gan(momentum=1.0)
