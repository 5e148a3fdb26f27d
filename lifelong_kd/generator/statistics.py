"""How far a batch is from what the BatchNorm layers of a frozen network have seen of the data."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

__all__ = ["Statistics", "gaussian_kl", "statistics_l2"]

EPSILON = 1e-8
"""Added to variances, as in the code of ABD."""

Distance = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Mean and variance of the batch, then those that the layer has kept, each (channels,), to a scalar."""


def statistics_l2(mean: Tensor, variance: Tensor, kept_mean: Tensor, kept_variance: Tensor) -> Tensor:
    """``||mean - kept_mean||_2 + ||variance - kept_variance||_2``: DeepInversion (Yin et al. 2020, arXiv 1912.08795).

    Args:
        mean: of the batch in each channel, shape (channels,).
        variance: likewise.
        kept_mean: the layer's running mean.
        kept_variance: the layer's running variance.

    Returns:
        A scalar, 0 where the two agree.

    >>> one = torch.ones(4)
    >>> statistics_l2(one, one, 3 * one, one)
    tensor(4.)
    """
    apart: Tensor = torch.linalg.vector_norm(mean - kept_mean)
    spread: Tensor = torch.linalg.vector_norm(variance - kept_variance)
    return apart + spread


def gaussian_kl(mean: Tensor, variance: Tensor, kept_mean: Tensor, kept_variance: Tensor) -> Tensor:
    """The mean over the channels of ``KL(N(kept_mean, kept_variance) || N(mean, variance))``.

    ``log(s / s_kept) - (1 - (s_kept^2 + (m_kept - m)^2) / s^2) / 2`` with deviations s, of ABD (Smith et al. 2021,
    arXiv 2106.09701); R-DFCIL uses its code.

    Args:
        mean: of the batch in each channel, shape (channels,).
        variance: likewise.
        kept_mean: the layer's running mean.
        kept_variance: the layer's running variance.

    Returns:
        A scalar, 0 where the two agree.

    >>> one = torch.ones(4)
    >>> gaussian_kl(one, one, 3 * one, one)
    tensor(2.)
    """
    variance, kept_variance = variance + EPSILON, kept_variance + EPSILON
    ratio = (kept_variance + (kept_mean - mean).square()) / variance
    return (0.5 * (variance / kept_variance).log() - 0.5 * (1.0 - ratio)).mean()


class Statistics:
    """Inside the ``with``, the inputs of a network's BatchNorm layers are compared with their running statistics.

    Layers without running statistics are left out. The variance of a batch is that without Bessel's correction.

    Args:
        model: the frozen network.
        distance: of a batch's statistics to a layer's.
    """

    def __init__(self, model: nn.Module, distance: Distance) -> None:
        self.layers = [
            layer
            for layer in model.modules()
            if isinstance(layer, _BatchNorm) and layer.running_mean is not None
        ]
        self.distance = distance
        self._handles: list[RemovableHandle] = []
        self._found: list[Tensor] = []

    def __enter__(self) -> Self:
        self._handles = [layer.register_forward_pre_hook(self._compare) for layer in self.layers]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._found = [], []

    def _compare(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0].float()
        over = [dimension for dimension in range(x.dim()) if dimension != 1]
        variance, mean = torch.var_mean(x, dim=over, correction=0)
        self._found.append(
            self.distance(mean, variance, layer.get_buffer("running_mean"), layer.get_buffer("running_var"))
        )

    def total(self) -> Tensor | None:
        """The sum over the layers since it was last asked for, a scalar; ``None`` of a network without BatchNorm."""
        found, self._found = self._found, []
        return torch.stack(found).sum() if found else None
