"""A network of the same shape that has learned nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.freeze import Frozen, frozen_copy, unwrapped

__all__ = ["fresh_copy"]


def fresh_copy(model: nn.Module) -> nn.Module:
    """A deep copy in training mode whose every parameter and statistic is drawn anew; heads keep their columns.

    Each module that has a method ``reset_parameters`` begins anew by it, inner ones before those around them, so that a
    network's own rule (the He initialisation of ``resnet32``) has the last word; BatchNorm forgets its statistics, too.
    After the same seed, a network of ours that has not grown gets the weights that it was built with. Weights are
    drawn on the CPU, from torch's default generator, on every device; the caller seeds it. A pretrained network loses
    what it was trained on. Hooks are treated as in :func:`~lifelong_kd.model.freeze.frozen_copy`. The network itself is
    left as it is; what is frozen in it is frozen in the copy, of a frozen copy nothing is.

    Raises:
        BadCall: if the network cannot be copied, or has a parameter that no ``reset_parameters`` draws.

    >>> import torch
    >>> model = nn.Linear(2, 2)
    >>> torch.equal(fresh_copy(model).weight, model.weight)
    False
    """
    model = unwrapped(model)
    for path, module in model.named_modules():
        # A container of parameters is a part of the module that draws them.
        owner = model.get_submodule(path.rpartition(".")[0])
        contained = isinstance(module, nn.ParameterDict | nn.ParameterList) and _resets(owner)
        if not contained and not _resets(module) and next(module.parameters(recurse=False), None) is not None:
            raise BadCall(
                f"{type(module).__name__} at {path or 'the top'!r} has parameters and no method 'reset_parameters' that"
                " would draw them anew. Give it one."
            )
    asks = [parameter.requires_grad or isinstance(model, Frozen) for parameter in model.parameters()]
    kind: Any = type(model)
    fresh: Any = frozen_copy(model)
    # The frozen class stands before the network's own, which is what the copy goes back to.
    fresh.__class__ = kind.__bases__[1] if issubclass(kind, Frozen) else kind
    device = next((parameter.device for parameter in fresh.parameters()), None)
    fresh.cpu()
    for module in _inside_out(fresh):
        if _resets(module):
            getattr(module, _resets(module))()
    if device is not None:
        fresh.to(device)
    for parameter, asked in zip(fresh.parameters(), asks, strict=True):
        parameter.requires_grad_(asked)
    result: nn.Module = fresh.train()
    return result


def _resets(module: nn.Module) -> str:
    """The name of the module's method that draws its parameters, or nothing."""
    # torch's attention has an underscore before it.
    names = ("reset_parameters", "_reset_parameters")
    return next((name for name in names if callable(getattr(module, name, None))), "")


def _inside_out(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from _inside_out(child)
    yield module
