"""Encoders and decoders of autoencoders, of dense or of convolutional layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall

__all__ = ["Dense", "Kind", "Latent", "check_network", "decoder", "encoder"]

Kind = Literal["mlp", "conv"]
"""Dense layers on the flattened sample, or convolutions of stride 2."""

HIDDEN: dict[str, tuple[int, ...]] = {"mlp": (400, 400), "conv": (32, 64)}
"""Units, or channels, of the encoder's layers; the decoder has them in the other order."""


def check_network(network: str, hidden: Sequence[int] | None, latent: int) -> tuple[int, ...]:
    """The sizes of the hidden layers.

    Raises:
        BadCall: for an unknown kind, no layer, or a size below 1.
    """
    if network not in get_args(Kind):
        raise BadCall(f"a generator's network is {', '.join(map(repr, get_args(Kind)))}; not {network!r}")
    sizes = HIDDEN[network] if hidden is None else tuple(hidden)
    if not sizes or min(*sizes, latent) < 1:
        raise BadCall(
            f"a generator has at least one hidden layer, and no size below 1; got hidden {list(sizes)} and latent"
            f" {latent}"
        )
    return sizes


class Latent(nn.Module):
    """Features (B, D) to mean and logarithm of the variance of a latent Gaussian, (B, latent) each.

    The variance has no bias, as in the code of van de Ven et al. (2020).
    """

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.mean = nn.Linear(features, latent)
        self.logvar = nn.Linear(features, latent, bias=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(features), self.logvar(features)


def encoder(kind: Kind, shape: tuple[int, ...], hidden: Sequence[int], latent: int) -> nn.Sequential:
    """Samples (B, *shape) to mean and logarithm of the variance of their code.

    Raises:
        BadCall: for convolutions over samples that are no images.
    """
    layers: list[nn.Module] = []
    if kind == "mlp":
        sizes = [math.prod(shape), *hidden]
        layers.append(nn.Flatten())
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers, Latent(sizes[-1], latent))
    channels, height, width = _image(shape)
    for wanted in hidden:
        layers += [nn.Conv2d(channels, wanted, 3, stride=2, padding=1), nn.ReLU()]
        channels = wanted
    height, width = _halved(height, len(hidden)), _halved(width, len(hidden))
    return nn.Sequential(*layers, nn.Flatten(), Latent(channels * height * width, latent))


def decoder(kind: Kind, shape: tuple[int, ...], hidden: Sequence[int], latent: int) -> nn.Module:
    """Codes (B, latent) to what the likelihood of (B, *shape) is told: the encoder's layers mirrored.

    Raises:
        BadCall: for convolutions over samples that are no images.
    """
    return Dense(shape, hidden, latent) if kind == "mlp" else _Deconvolution(_image(shape), hidden, latent)


class Dense(nn.Module):
    """Codes (B, latent) through dense layers to (B, *shape), each hidden layer's units multiplied by gates if given.

    Args:
        shape: of a sample.
        hidden: units of the encoder's layers; here they come in the other order.
        latent: size of a code.
    """

    def __init__(self, shape: tuple[int, ...], hidden: Sequence[int], latent: int) -> None:
        super().__init__()
        self.shape = tuple(shape)
        sizes = [latent, *reversed(hidden)]
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(sizes))
        self.output = nn.Linear(sizes[-1], math.prod(shape))

    def forward(self, z: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        for number, layer in enumerate(self.hidden):
            z = layer(z)
            # Before the non-linearity, as in the code of van de Ven et al. (2020); gates are not negative.
            z = (z if gates is None else z * gates[number]).relu()
        said: Tensor = self.output(z)
        return said.view(-1, *self.shape)


class _Deconvolution(nn.Module):
    def __init__(self, shape: tuple[int, int, int], hidden: Sequence[int], latent: int) -> None:
        super().__init__()
        self.shape = shape
        channels, height, width = shape
        first = hidden[-1]
        self.small = (first, _halved(height, len(hidden)), _halved(width, len(hidden)))
        self.first = nn.Linear(latent, math.prod(self.small))
        layers: list[nn.Module] = []
        sizes = [*reversed(hidden), channels]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        _, height, width = self.shape
        said: Tensor = self.layers(self.first(z).view(-1, *self.small))
        # Sides that are no multiple of the strides come out larger.
        return said[:, :, :height, :width]


def _image(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise BadCall(
            f"convolutions need images (channels, height, width), and the samples have shape {tuple(shape)}: set the"
            " generator's network to 'mlp'"
        )
    return shape[0], shape[1], shape[2]


def _halved(side: int, times: int) -> int:
    for _ in range(times):
        side = (side + 1) // 2
    return side
