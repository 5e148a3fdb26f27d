"""A generative adversarial network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.generator.base import Made
from lifelong_kd.generator.kept import Kept
from lifelong_kd.generator.likelihood import Likelihood, as_float, observed
from lifelong_kd.generator.networks import Kind, check_network, decoder
from lifelong_kd.knowledge.options import not_negative

__all__ = ["Adversaries", "Critic", "Gan", "gradient_penalty"]

SLOPE = 0.2
"""Of the critic's leaky rectifiers, as in DCGAN (Radford et al. 2016, arXiv 1511.06434)."""


def gradient_penalty(judged: Tensor, x: Tensor) -> Tensor:
    """``||d judged / d x||^2`` of each sample, shape (batch,), which can be differentiated again (R1).

    Args:
        judged: what the critic says of each sample, shape (batch,).
        x: the samples, which it was computed from.

    >>> x = torch.ones(2, 3, requires_grad=True)
    >>> gradient_penalty(2 * x.sum(dim=1), x)
    tensor([12., 12.])
    """
    (slope,) = torch.autograd.grad(judged.sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(dim=1)


class Critic(nn.Module):
    """Samples (batch, *shape) to one number each (batch,), large for real ones: dense layers or convolutions."""

    def __init__(self, kind: Kind, shape: tuple[int, ...], hidden: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()] if kind == "mlp" else []
        before = math.prod(shape) if kind == "mlp" else shape[0]
        side = list(shape[1:])
        for after in hidden:
            layer = nn.Linear(before, after) if kind == "mlp" else nn.Conv2d(before, after, 4, 2, 2)
            layers += [layer, nn.LeakyReLU(SLOPE)]
            before, side = after, [length // 2 + 1 for length in side]
        last = before if kind == "mlp" else before * math.prod(side)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(last, 1))

    def forward(self, x: Tensor) -> Tensor:
        judged: Tensor = self.layers(x).squeeze(1)
        return judged


class Adversaries(nn.Module):
    """Two networks that learn against one another: ``maker`` makes samples, ``critic`` tells them from real ones."""

    def __init__(self, kind: Kind, shape: tuple[int, ...], hidden: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.maker = decoder(kind, shape, hidden, latent)
        self.critic = Critic(kind, shape, hidden)


class Gan(Kept):
    """Generative adversarial network with a gradient penalty: makes samples that a critic cannot tell from real ones.

    ``L_critic = softplus(-D(x)) + softplus(D(G(z))) + penalty / 2 * ||grad_x D(x)||^2`` and ``L_maker =
    softplus(-D(G(z)))``, one Adam step of each for a step of the student; x are the new samples and, in their share,
    its earlier self's. It does not know of which class a sample is.

    Papers: Goodfellow et al. 2014, arXiv 1406.2661, the loss that does not saturate; Mescheder, Geiger, Nowozin 2018,
    "Which Training Methods for GANs do actually Converge?", arXiv 1801.04406, the penalty on real data (R1) without
    which training circles. Deep generative replay (Shin et al. 2017, arXiv 1705.08690) has a Wasserstein GAN with five
    critic steps for each of the maker.

    Args:
        network: ``mlp``, dense layers on the flattened sample; ``conv``, convolutions of stride 2 on images.
        hidden: units of the critic's dense layers, or channels of its convolutions; the maker mirrors them. If null,
            [400, 400] and [32, 64].
        latent: entries of the noise.
        likelihood: ``bernoulli`` for values in [0, 1], such as pixels: a sigmoid ends the maker; ``gaussian`` for any:
            nothing does; ``auto``: the first if it fits the first task's samples.
        lr: learning rate of Adam, for both networks.
        momentum: Adam's first beta, in [0, 1).
        penalty: weight of the squared gradient, at least 0.

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
        lr: float = 0.0005,
        momentum: float = 0.5,
        penalty: float = 1.0,
    ) -> None:
        super().__init__(lr=lr, likelihood=likelihood)
        self.kind: Kind = network
        self.hidden = check_network(network, hidden, latent)
        self.latent = latent
        if not 0 <= momentum < 1:
            raise BadCall(f"momentum must lie in [0, 1), got {momentum}")
        self.momentum = momentum
        self.penalty = not_negative("penalty", penalty)

    def build(self) -> nn.Module:
        return Adversaries(self.kind, self.shape, self.hidden, self.latent)

    def _attach(self, network: nn.Module) -> torch.optim.Optimizer:
        optimizer = super()._attach(network)
        for group in optimizer.param_groups:
            group["betas"] = (self.momentum, 0.99)
        return optimizer

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        both = cast(Adversaries, self.learning)
        batches = [new] if replayed is None else [new, replayed]
        real = torch.cat([as_float(batch.raw) for batch in batches]).requires_grad_()
        fake = self._made(both, len(real), self.noise)
        losses = self._against(both.critic, real, fake.detach())
        critic = losses[: len(new)].mean()
        if replayed is not None:
            critic = (1 - share) * critic + share * losses[len(new) :].mean()
        # One optimiser for both: a network without gradients stays where it is.
        critic.backward(inputs=list(both.critic.parameters()))
        self.step(None, {})
        maker = F.softplus(-both.critic(fake)).mean()
        maker.backward(inputs=list(both.maker.parameters()))
        self.step(None, {"critic": critic, "maker": maker})

    def _against(self, critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        judged = critic(real)
        losses = F.softplus(-judged) + F.softplus(critic(fake))
        if self.penalty:
            losses = losses + self.penalty / 2 * gradient_penalty(judged, real)
        return losses

    def _made(self, both: Adversaries, count: int, noise: torch.Generator) -> Tensor:
        z = torch.randn(count, self.latent, generator=noise).to(self.device)
        return observed(both.maker(z), self.fitted)

    def sample(self, network: nn.Module, count: int, generator: torch.Generator) -> Made:
        return Made(self._made(cast(Adversaries, network), count, generator))
