"""The autoencoder against a slow loop, and what it refuses."""

import math
from typing import Any, cast

import pytest
import torch

from lifelong_kd.core.errors import BadCall, Diverged
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch
from lifelong_kd.generator.vae import Autoencoder, Vae
from lifelong_kd.teacher.snapshot import Snapshot
from tests.generator.given import Given, begun, halves, tasks

SMALL: dict[str, Any] = {"hidden": [7, 5], "latent": 3}


def slow_loss(vae: Vae, x: torch.Tensor, noise: torch.Generator, likelihood: str) -> list[float]:
    """The loss of each sample, number by number."""
    network = cast(Autoencoder, vae.learning)
    with torch.no_grad():
        mean, logvar = network.encoder(x)
        z = mean + torch.exp(logvar) ** 0.5 * torch.randn(mean.shape, generator=noise)
        output = network.decoder(z)
    found = []
    for i in range(len(x)):
        lost = divergence = 0.0
        for value, said in zip(x[i].flatten().tolist(), output[i].flatten().tolist(), strict=True):
            if likelihood == "bernoulli":
                s = 1 / (1 + math.exp(-said))
                lost -= value * math.log(s) + (1 - value) * math.log(1 - s)
            else:
                lost += (value - said) ** 2 / 2
        for m, v in zip(mean[i].tolist(), logvar[i].tolist(), strict=True):
            divergence -= 0.5 * (1 + v - m * m - math.exp(v))
        found.append((lost + divergence) / x[i].numel())
    return found


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_loss_is_its_formula(likelihood: str) -> None:
    vae = Vae(**SMALL, likelihood=cast(Any, likelihood))
    data = halves((0, 1), each=2)
    begun(vae, tasks((0, 1))[0], data)
    x = data.x / 255
    expected = slow_loss(vae, x, torch.Generator().manual_seed(3), likelihood)
    found = vae.losses(vae.learning, x, None, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_step_weighs_new_and_replayed_samples_and_is_adams() -> None:
    data, made = halves((0, 1)), torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    vae, by_hand = Vae(**SMALL, lr=0.01), Vae(**SMALL, lr=0.01)
    seeds, _ = (begun(one, tasks((0, 1))[0], data) for one in (vae, by_hand))
    network = by_hand.learning
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    noise = Seeds(seeds.root).generator("generator/noise")
    replayed = Batch(made, torch.zeros(5, dtype=torch.int64), torch.zeros(5, dtype=torch.int64), made)
    losses = []
    for _ in range(3):
        vae.learn(data.batch(), replayed, 0.75)
        each = by_hand.losses(network, torch.cat([data.x / 255, made]), None, noise)
        loss = 0.25 * each[:16].mean() + 0.75 * each[16:].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    for mine, theirs in zip(vae.learning.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert vae.values == {}
    vae.end_task(tasks((0, 1))[0], data, torch.nn.Identity())
    assert vae.values["loss"] == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_without_replayed_samples_the_new_ones_have_all_the_weight() -> None:
    data, task = halves((0, 1)), tasks((0, 1))[0]
    pair = [Vae(**SMALL), Vae(**SMALL)]
    for vae, share in zip(pair, (0.0, 0.5), strict=True):
        begun(vae, task, data)
        vae.learn(data.batch(), None, share)
    left, right = (list(vae.learning.parameters()) for vae in pair)
    assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_what_it_learned_is_what_it_draws() -> None:
    data, task = halves((0,), each=16), tasks((0,))[0]
    vae = Vae(hidden=[16], latent=2, lr=0.01)
    begun(vae, task, data)
    before = vae.score(data.x)
    for _ in range(150):
        vae.learn(data.batch(), None, 0.0)
    vae.end_task(task, data, torch.nn.Identity())
    after = vae.score(data.x)
    assert before is not None and after is not None and after < before - 0.1
    assert after == vae.score(data.x)
    drawn = vae.draw(50, torch.Generator().manual_seed(0)).raw
    upper, lower = drawn[:, :, :2].mean(), drawn[:, :, 2:].mean()
    assert upper > 0.75 and lower < 0.25
    assert vae.draw(1, torch.Generator().manual_seed(0)).y is None


def test_convolutions_take_images_of_any_sides_and_nothing_else() -> None:
    y = torch.zeros(3, dtype=torch.int64)
    for shape in ((3, 5, 7), (1, 8, 8), (2, 1, 3)):
        vae = Vae(network="conv", hidden=[4, 6], latent=2)
        data = Given(torch.rand(3, *shape), y)
        begun(vae, tasks((0,))[0], data)
        vae.learn(data.batch(), None, 0.0)
        vae.end_task(tasks((0,))[0], data, torch.nn.Identity())
        assert vae.draw(2, torch.Generator().manual_seed(0)).raw.shape == (2, *shape)
    with pytest.raises(BadCall, match=r"convolutions need images.*set the generator's network to 'mlp'"):
        begun(Vae(network="conv"), tasks((0,))[0], Given(torch.rand(3, 6), y))


def test_the_likelihood_follows_the_first_tasks_data() -> None:
    first, second = tasks((0,), (1,))
    y = torch.zeros(4, dtype=torch.int64)
    features = Given(3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), y)
    for data, expected in (
        (halves((0,)), "bernoulli"),
        (Given(torch.rand(4, 6), y), "bernoulli"),
        (features, "gaussian"),
    ):
        vae = Vae(**SMALL)
        begun(vae, first, data)
        assert vae.fitted == expected
    vae.end_task(first, features, torch.nn.Identity())
    assert vae.draw(100, torch.Generator().manual_seed(0)).raw.min() < 0
    with pytest.raises(BadCall, match=r"makes values in \[0, 1\].*set its likelihood to 'gaussian'"):
        begun(Vae(**SMALL, likelihood="bernoulli"), first, features)
    small = Vae(**SMALL)
    begun(small, first, Given(torch.rand(4, 6), y))
    with pytest.raises(BadCall, match="set its likelihood to 'gaussian'"):
        small.check(second, features, torch.nn.Identity())


def test_tokens_and_other_shapes_are_refused() -> None:
    task = tasks((0,))[0]
    y = torch.zeros(4, dtype=torch.int64)
    for dtype in (torch.int64, torch.uint8):
        tokens = Given(torch.ones(4, 6, dtype=dtype), y, as_integers=True)
        with pytest.raises(BadCall, match=r"integers.*tokens.*'latent_replay'"):
            begun(Vae(), task, tokens)
    vae = Vae(**SMALL)
    begun(vae, task, halves((0,)))
    with pytest.raises(BadCall, match=r"makes samples of shape \(1, 4, 4\), found \(6,\)"):
        vae.check(task, Given(torch.rand(4, 6), y), torch.nn.Identity())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"network": "resnet"}, "'mlp', 'conv'; not 'resnet'"),
        ({"hidden": []}, "at least one hidden layer"),
        ({"hidden": [3, 0]}, "no size below 1"),
        ({"latent": 0}, "no size below 1"),
        ({"lr": 0.0}, "must be above 0"),
        ({"likelihood": "poisson"}, "not 'poisson'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadCall, match=said):
        Vae(**options)


def test_it_says_nothing_before_its_first_task() -> None:
    vae = Vae(**SMALL)
    assert vae.nbytes == 0 and vae.score(torch.rand(2, 1, 4, 4)) is None and not vae.ready
    with pytest.raises(RuntimeError, match="before the first task was over"):
        vae.draw(1, torch.Generator())
    again = Vae(**SMALL)
    again.load_state_dict(vae.state_dict())
    assert again.network is None
    begun(vae, tasks((0,))[0], halves((0,)))
    assert vae.nbytes == 4 * sum(parameter.numel() for parameter in vae.learning.parameters())


def test_one_that_diverged_says_so_before_it_makes_samples() -> None:
    data, task = halves((0, 1)), tasks((0, 1))[0]
    vae = Vae(**SMALL)
    begun(vae, task, data)
    with torch.no_grad():
        next(vae.learning.parameters()).fill_(torch.nan)
    vae.learn(data.batch(), None, 0.0)
    with pytest.raises(Diverged, match="the generator 'Vae' has diverged: its loss is nan over task 0"):
        vae.end_task(task, data, torch.nn.Identity())


def test_a_state_between_tasks_is_enough_to_draw_on() -> None:
    data, task = halves((0, 1)), tasks((0, 1))[0]
    vae, again = Vae(**SMALL), Vae(**SMALL)
    begun(vae, task, data)
    vae.learn(data.batch(), None, 0.0)
    vae.end_task(task, data, torch.nn.Identity())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again.load_state_dict(vae.state_dict())
    assert torch.equal(torch.rand(3), expected)
    left, right = (one.draw(4, torch.Generator().manual_seed(1)).raw for one in (vae, again))
    assert torch.equal(left, right) and again.values == vae.values
    again.check(tasks((0, 1), (2,))[1], halves((2,)), torch.nn.Identity())
    again.begin_task(tasks((0, 1), (2,))[1], halves((2,)), Snapshot())
    assert torch.equal(left, again.draw(4, torch.Generator().manual_seed(1)).raw)
