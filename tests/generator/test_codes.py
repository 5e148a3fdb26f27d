"""Distributions of codes against torch's own."""

import math

import torch
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from lifelong_kd.generator.codes import ClassPrior, gaussian_divergence, log_normal, reparameterised
from lifelong_kd.generator.gates import Gates


def some(count: int = 5, latent: int = 3) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(count, latent, generator=rng, dtype=torch.float64) for _ in range(5)]


def normal(mean: torch.Tensor, logvar: torch.Tensor) -> Distribution:
    return Independent(Normal(mean, (logvar / 2).exp()), 1)


def test_the_divergence_is_that_of_torch() -> None:
    mean, logvar, other, othervar, _ = some()
    found = gaussian_divergence(mean, logvar, other, othervar)
    torch.testing.assert_close(found, kl_divergence(normal(mean, logvar), normal(other, othervar)))
    zero = torch.zeros_like(mean)
    torch.testing.assert_close(
        gaussian_divergence(mean, logvar), kl_divergence(normal(mean, logvar), normal(zero, zero))
    )
    assert gaussian_divergence(mean, logvar, mean, logvar).abs().max() < 1e-12


def test_the_density_is_that_of_torch_but_for_its_constant() -> None:
    mean, logvar, z, _, _ = some()
    constant = 1.5 * math.log(2 * math.pi)
    torch.testing.assert_close(log_normal(z, mean, logvar) - constant, normal(mean, logvar).log_prob(z))


def test_a_draw_has_mean_and_variance_and_their_gradients() -> None:
    mean = torch.full((20_000, 1), 2.0, requires_grad=True)
    logvar = torch.full((20_000, 1), math.log(9.0), requires_grad=True)
    z = reparameterised(mean, logvar, torch.Generator().manual_seed(0))
    assert abs(float(z.detach().mean()) - 2) < 0.1 and abs(float(z.detach().std()) - 3) < 0.1
    z.sum().backward()
    assert mean.grad is not None and logvar.grad is not None
    torch.testing.assert_close(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(logvar.grad, (z - mean).detach() / 2)


def test_a_prior_finds_the_row_of_a_class_and_keeps_it_as_it_grows() -> None:
    torch.manual_seed(0)
    prior = ClassPrior(2)
    first = prior.grow([4, 1])
    means = prior.table[0].detach().clone()
    assert len(first) == 2 and first[0].shape == (2, 2)
    prior.grow([0])
    assert prior.columns == [4, 1, 0]
    assert prior.rows(torch.tensor([0, 1, 4, 4])).tolist() == [2, 1, 0, 0]
    assert torch.equal(prior.table[0][:2], means) and prior.table[1].shape == (3, 2)


def test_gates_are_shut_as_often_as_asked_for_and_mixed_by_shares() -> None:
    torch.manual_seed(0)
    gates = Gates([4000, 7])
    gates.grow(2, shut=0.25)
    before = [gates(torch.tensor([0, 1]))[layer].clone() for layer in range(2)]
    gates.grow(1, shut=0.0)
    assert gates.rows == 3 and set(before[0].unique().tolist()) == {0.0, 1.0}
    assert abs(float(before[0].mean()) - 0.75) < 0.02
    assert not torch.equal(before[0][0], before[0][1])
    for layer, table in enumerate(before):
        assert torch.equal(gates(torch.tensor([0, 1]))[layer], table)
        mixed = gates(torch.tensor([[0.25, 0.75, 0.0]]))[layer]
        torch.testing.assert_close(mixed[0], 0.25 * table[0] + 0.75 * table[1])
    assert torch.equal(gates(torch.tensor([2]))[0], torch.ones(1, 4000))
