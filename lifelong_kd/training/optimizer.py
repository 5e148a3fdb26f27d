"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.nn import Parameter

__all__ = ["adam", "adamw", "sgd"]


def sgd(
    parameters: Iterable[Parameter],
    *,
    lr: float = 0.1,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent, with momentum if asked for.

    Args:
        lr: learning rate.
        momentum: share of the last step that is kept.
        weight_decay: factor of the L2 penalty.
        nesterov: whether the gradient is taken one step ahead.
    """
    # Torch's fused step cannot take a parameter without momentum beside others with it, such as a head that has grown.
    return torch.optim.SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=momentum == 0,
    )


def adam(
    parameters: Iterable[Parameter],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015).

    Args:
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
    """
    return torch.optim.Adam(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


def adamw(
    parameters: Iterable[Parameter],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Args:
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: share of each weight that is taken off a step, times lr.
    """
    return torch.optim.AdamW(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)
