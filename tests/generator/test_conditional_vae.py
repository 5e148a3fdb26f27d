"""The conditional autoencoder: a Gaussian of codes for each class."""

from typing import Any, cast

import torch

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.generator.codes import gaussian_divergence
from lifelong_kd.generator.conditional_vae import ConditionalVae
from lifelong_kd.generator.likelihood import reconstruction
from lifelong_kd.teacher.snapshot import Snapshot
from tests.generator.given import begun, halves, tasks

SMALL: dict[str, Any] = {"hidden": [16], "latent": 3}


def test_the_loss_is_taken_to_the_classs_own_gaussian() -> None:
    vae, data = ConditionalVae(**SMALL), halves((3, 1))
    begun(vae, tasks((3, 1))[0], data)
    network = cast(Any, vae.learning)
    x = data.x / 255
    with torch.no_grad():
        mean, logvar = network.encoder(x)
        lost = reconstruction(network.decoder(mean), x, "bernoulli")
        means, logvars = network.prior.table
        each = torch.stack(
            [
                gaussian_divergence(mean, logvar, means[row : row + 1], logvars[row : row + 1])
                for row in (0, 1)
            ]
        )
        own = torch.where(data.targets == 1, each[0], each[1])
        found = vae.losses(vae.learning, x, data.targets, None)
        torch.testing.assert_close(found, lost + own / 16)
        # Of a sample that is scored nobody says the class: the nearest.
        torch.testing.assert_close(vae.losses(vae.learning, x, None, None), lost + each.amin(dim=0) / 16)
    score = vae.score(data.x)
    assert score is not None and abs(score - float((lost + each.amin(dim=0) / 16).mean())) < 1e-6


def test_it_makes_what_it_is_asked_for_of_the_classes_of_earlier_tasks() -> None:
    first, second = tasks((0, 1), (2, 3))
    vae, data = ConditionalVae(**SMALL, lr=0.01), halves((0, 1), each=16)
    begun(vae, first, data)
    for _ in range(200):
        vae.learn(data.batch(), None, 0.0)
    vae.end_task(first, data, torch.nn.Identity())
    vae.begin_task(second, halves((2, 3)), Snapshot())
    made = vae.draw(400, torch.Generator().manual_seed(0))
    assert made.y is not None and set(made.y.tolist()) == {0, 1}
    assert 150 < int((made.y == 0).sum()) < 250
    difference = made.raw[:, 0, :2].mean(dim=(1, 2)) - made.raw[:, 0, 2:].mean(dim=(1, 2))
    assert ((difference > 0) == (made.y == 0)).float().mean() > 0.95
    vae.learn(halves((2, 3)).batch(), None, 0.0)
    vae.end_task(second, halves((2, 3)), torch.nn.Identity())
    later = vae.draw(400, torch.Generator().manual_seed(0)).y
    assert later is not None and set(later.tolist()) == {0, 1, 2, 3}


def test_classes_that_come_again_keep_their_gaussian() -> None:
    first, second = tasks((0, 1), (1, 0), scenario="domain")
    vae = ConditionalVae(**SMALL)
    begun(vae, first, halves((0, 1)))
    prior = cast(Any, vae.learning).prior
    before = prior.table[0].detach().clone()
    vae.end_task(first, halves((0, 1)), torch.nn.Identity())
    vae.begin_task(second, halves((0, 1)), Snapshot())
    assert prior.columns == [0, 1] and torch.equal(prior.table[0], before)
    state = vae.state_dict()
    again = ConditionalVae(**SMALL)
    again.begin(Seeds(0), torch.device("cpu"))
    again.load_state_dict(state)
    left, right = (one.draw(5, torch.Generator().manual_seed(1)) for one in (vae, again))
    assert torch.equal(left.raw, right.raw)


def test_new_gaussians_are_learned_too() -> None:
    first, second = tasks((0, 1), (2,))
    vae, data = ConditionalVae(**SMALL), halves((2,))
    begun(vae, first, halves((0, 1)))
    vae.end_task(first, halves((0, 1)), torch.nn.Identity())
    vae.begin_task(second, data, Snapshot())
    prior = cast(Any, vae.learning).prior
    before = [table.detach().clone() for table in prior.table]
    vae.learn(data.batch(), None, 0.5)
    for was, now in zip(before, prior.table, strict=True):
        assert torch.equal(was[:2], now[:2]) and not torch.equal(was[2], now[2])
