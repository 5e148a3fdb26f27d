"""Distributions of an autoencoder's code: the standard normal, and one for each class that is learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ClassPrior", "gaussian_divergence", "log_normal", "reparameterised"]


def reparameterised(mean: Tensor, logvar: Tensor, generator: torch.Generator) -> Tensor:
    """A draw of a Gaussian with a gradient to its mean and variance: ``mean + exp(logvar / 2) * e``, e standard normal.

    Kingma and Welling 2014, arXiv 1312.6114, section 2.4.

    Args:
        mean: shape (batch, latent).
        logvar: the same shape.
        generator: on the CPU; ``e`` is drawn from it.
    """
    drawn = torch.randn(mean.shape, generator=generator)
    return mean + (logvar / 2).exp() * drawn.to(mean)


def gaussian_divergence(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """Kullback-Leibler divergence of a diagonal Gaussian from a prior, the standard normal if none is given.

    ``sum_d (logvar' - logvar + (exp(logvar) + (mean - mean')^2) / exp(logvar') - 1) / 2``, primes for the prior.

    Args:
        mean: shape (batch, latent).
        logvar: logarithm of the variance, the same shape.
        prior_mean: the same shape.
        prior_logvar: the same shape.

    Returns:
        Shape (batch,), 0 where the two agree.

    >>> gaussian_divergence(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    tensor([0.5000])
    """
    if prior_mean is None or prior_logvar is None:
        return (mean.square() + logvar.exp() - logvar - 1).sum(dim=1) / 2
    distance = (logvar.exp() + (mean - prior_mean).square()) * (-prior_logvar).exp()
    return (prior_logvar - logvar + distance - 1).sum(dim=1) / 2


def log_normal(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Logarithm of a diagonal Gaussian's density, without its constant, summed over the last dimension.

    ``-sum_d (logvar + (z - mean)^2 / exp(logvar)) / 2``; the shapes (..., latent) are broadcast. Returns shape (...).
    """
    return -(logvar + (z - mean).square() * (-logvar).exp()).sum(dim=-1) / 2


class ClassPrior(nn.Module):
    """A learned diagonal Gaussian over codes for each class, which grows by rows as classes come.

    ``columns`` says which class each row is of. New rows are drawn from the standard normal, means and logarithms of
    variances alike, as in the code of van de Ven et al. (2020, doi:10.1038/s41467-020-17866-2).
    """

    place: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.columns: list[int] = []
        self.means = nn.ParameterList()
        self.logvars = nn.ParameterList()
        self.register_buffer("place", torch.empty(0, dtype=torch.int64))

    def grow(self, classes: Sequence[int]) -> list[nn.Parameter]:
        """Give each class, at least one and none of them known, a row; the new parameters."""
        device = self.place.device
        added = [nn.Parameter(torch.randn(len(classes), self.latent).to(device)) for _ in range(2)]
        self.means.append(added[0])
        self.logvars.append(added[1])
        self.columns += list(classes)
        places = torch.full((max(self.columns) + 1,), -1)
        places[torch.tensor(self.columns)] = torch.arange(len(self.columns))
        self.place = places.to(device)
        return added

    def rows(self, y: Tensor) -> Tensor:
        """The row of each class, shape (batch,)."""
        return self.place[y]

    @property
    def table(self) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of all rows, (rows, latent) each."""
        return torch.cat([*self.means]), torch.cat([*self.logvars])
