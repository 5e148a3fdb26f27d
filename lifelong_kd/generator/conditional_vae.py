"""A variational autoencoder that makes samples of a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lifelong_kd.generator.base import Made
from lifelong_kd.generator.codes import ClassPrior, gaussian_divergence
from lifelong_kd.generator.likelihood import observed
from lifelong_kd.generator.vae import Autoencoder, Vae

__all__ = ["ConditionalVae"]


class _WithPrior(Autoencoder):
    def __init__(self, plain: Vae) -> None:
        super().__init__(plain.kind, plain.shape, plain.hidden, plain.latent)
        self.prior = ClassPrior(plain.latent)


class ConditionalVae(Vae):
    """Class-conditional autoencoder: each class has a Gaussian of its own from which codes are drawn.

    ``loss = mean over entries of -log p(x | z) + KL(q(z | x) || N(m_y, diag(s_y^2))) / entries``; the means m and
    variances s^2 of the classes are learned with the network. Samples are drawn of each class seen so far with the
    same probability, and the class is told with them. The prior is that of conditional replay in van de Ven, Siegelmann
    and Tolias (2020, doi:10.1038/s41467-020-17866-2), with one Gaussian a class.

    Args:
        network: ``mlp``, dense layers on the flattened sample; ``conv``, convolutions of stride 2 on images.
        hidden: units of the encoder's dense layers, or channels of its convolutions; the decoder mirrors them. If null,
            [400, 400] and [32, 64].
        latent: entries of a code.
        likelihood: ``bernoulli`` for values in [0, 1], such as pixels; ``gaussian``, of variance 1, for any; ``auto``:
            the first if it fits the first task's samples.
        lr: learning rate of its Adam.

    Raises:
        BadCall: for an option out of range, and when a task begins, for samples that it cannot make.
    """

    def build(self) -> nn.Module:
        return _WithPrior(self)

    def grow(self, network: nn.Module, classes: Sequence[int]) -> list[nn.Parameter]:
        return cast(_WithPrior, network).prior.grow(classes) if classes else []

    def divergence(self, network: nn.Module, mean: Tensor, logvar: Tensor, y: Tensor | None) -> Tensor:
        prior = cast(_WithPrior, network).prior
        means, logvars = prior.table
        if y is None:
            # Nobody says of which class a scored sample is: the nearest.
            each = [
                gaussian_divergence(mean, logvar, means[row].expand_as(mean), logvars[row].expand_as(mean))
                for row in range(len(means))
            ]
            return torch.stack(each).amin(dim=0)
        rows = prior.rows(y)
        return gaussian_divergence(mean, logvar, means[rows], logvars[rows])

    def sample(self, network: nn.Module, count: int, generator: torch.Generator) -> Made:
        both = cast(_WithPrior, network)
        means, logvars = both.prior.table
        rows = torch.randint(len(means), (count,), generator=generator)
        drawn = torch.randn(count, self.latent, generator=generator).to(self.device)
        there = rows.to(self.device)
        z = means[there] + (logvars[there] / 2).exp() * drawn
        columns = torch.tensor(both.prior.columns)
        return Made(observed(both.decoder(z), self.fitted), columns[rows].to(self.device))
