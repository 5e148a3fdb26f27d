"""A variational autoencoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from lifelong_kd.generator.base import Made
from lifelong_kd.generator.codes import gaussian_divergence, reparameterised
from lifelong_kd.generator.learned import Learned
from lifelong_kd.generator.likelihood import Likelihood, observed, reconstruction
from lifelong_kd.generator.networks import Kind, check_network, decoder, encoder

__all__ = ["Autoencoder", "Vae"]


class Autoencoder(nn.Module):
    """An encoder and a decoder that mirrors it."""

    def __init__(self, kind: Kind, shape: tuple[int, ...], hidden: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.encoder = encoder(kind, shape, hidden, latent)
        self.decoder = decoder(kind, shape, hidden, latent)


class Vae(Learned):
    """Variational autoencoder: samples are decoded from a standard normal code.

    ``loss = mean over entries of -log p(x | z) + KL(q(z | x) || N(0, I)) / entries``, which is the negative evidence
    lower bound (Kingma and Welling 2014, arXiv 1312.6114, equation 10) of a sample divided by the number of its
    entries, without constants; z is one draw of q(z | x). It does not know of which class a sample is.

    The default is the generator of van de Ven and Tolias (2018, arXiv 1809.10635) for MNIST with the sizes of their
    later code: two layers of 400 units either way, a code of 100, Adam at the student's 0.001, one step for each of
    the student's.

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

    def __init__(
        self,
        *,
        network: Kind = "mlp",
        hidden: list[int] | None = None,
        latent: int = 100,
        likelihood: Likelihood = "auto",
        lr: float = 0.001,
    ) -> None:
        super().__init__(lr=lr, likelihood=likelihood)
        self.kind: Kind = network
        self.hidden = check_network(network, hidden, latent)
        self.latent = latent

    def build(self) -> nn.Module:
        return Autoencoder(self.kind, self.shape, self.hidden, self.latent)

    def losses(
        self, network: nn.Module, x: Tensor, y: Tensor | None, noise: torch.Generator | None
    ) -> Tensor:
        both = cast(Autoencoder, network)
        mean, logvar = both.encoder(x)
        z = mean if noise is None else reparameterised(mean, logvar, noise)
        lost = reconstruction(both.decoder(z), x, self.fitted)
        return lost + self.divergence(network, mean, logvar, y) / x[0].numel()

    def divergence(self, network: nn.Module, mean: Tensor, logvar: Tensor, y: Tensor | None) -> Tensor:
        """How far the code's distribution is from the prior, shape (batch,)."""
        return gaussian_divergence(mean, logvar)

    def sample(self, network: nn.Module, count: int, generator: torch.Generator) -> Made:
        z = torch.randn(count, self.latent, generator=generator).to(self.device)
        return Made(observed(cast(Autoencoder, network).decoder(z), self.fitted))
