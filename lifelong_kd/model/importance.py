"""How much each unit of a network matters for what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import TaskData
from lifelong_kd.model.freeze import unwrapped

__all__ = ["importance", "shown"]

SHOWN = 256
"""Samples of a task on which the importance of units is measured."""


def shown(data: TaskData) -> Tensor:
    """At most 256 samples of a task, in the view of evaluation, shape (samples, *input_shape).

    They lie at equal distances: those of one class may stand together.
    """
    count = len(data.targets)
    index = torch.linspace(0, count - 1, min(count, SHOWN)).round().to(torch.int64)
    return data.plain(data.raw(index))


def importance(model: nn.Module, x: Tensor, probes: Sequence[tuple[nn.Module, str]]) -> list[Tensor]:
    """The first-order Taylor estimate of how far the answer moves without a unit, for several groups of units.

    ``I_u = mean over samples of | sum over places of a_u dz / da_u |`` with ``a_u`` what the unit says and ``z`` the
    largest logit: the criterion of Molchanov et al. 2017 (arXiv 1611.06440, equation 8) with the answer in the place of
    the loss, so that no label is needed and a network that is sure of its answer has gradients, too. In evaluation
    mode; the network is left as it was. A unit that never says anything has importance 0.

    Args:
        model: the network.
        x: samples as it sees them, at least one, shape (batch, *input_shape).
        probes: for each group a module of the network, and whether the group is its ``input`` or ``output``: a tensor
            of shape (batch, units, ...).

    Returns:
        For each group a tensor of shape (units,).

    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 3.0)
    >>> importance(layer, torch.tensor([[1.0, -2.0]]), [(layer, "input")])
    [tensor([3., 6.])]
    """
    model = unwrapped(model)
    heard: dict[int, Tensor] = {}

    def keep(number: int, where: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            heard[number] = inputs[0] if where == "input" else output

        return hook

    handles = [
        module.register_forward_hook(keep(number, where)) for number, (module, where) in enumerate(probes)
    ]
    modes = {module: module.training for module in model.modules()}
    try:
        for module in modes:
            module.training = False
        with torch.enable_grad():
            answer = model(x.detach().clone().requires_grad_()).max(dim=1).values.sum()
            said = [heard[number] for number in range(len(probes))]
            slopes = torch.autograd.grad(answer, said)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    moved = [
        (value * slope).flatten(2).sum(dim=2) if value.dim() > 2 else value * slope
        for value, slope in zip(said, slopes, strict=True)
    ]
    return [value.detach().abs().mean(dim=0) for value in moved]
