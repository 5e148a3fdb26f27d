"""The head of any network, and which of its numbers a class depends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.head import Head
from lifelong_kd.model.network import Network

__all__ = ["depended_on", "head_of", "own_rows", "rest_of"]


def head_of(model: nn.Module) -> nn.Module:
    """The module that turns features into logits: a network's own head, else its last ``torch.nn.Linear``.

    Raises:
        BadCall: for a network without either.

    >>> head_of(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    Linear(in_features=8, out_features=3, bias=True)
    """
    model = unwrapped(model)
    if isinstance(model, Network):
        return model.head
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise BadCall(f"{type(model).__name__} has no torch.nn.Linear that could be its head")
    return linear[-1]


def rest_of(model: nn.Module, head: nn.Module) -> Iterator[nn.Module]:
    """The largest modules of ``model`` that do not contain its head."""
    for child in unwrapped(model).children():
        if child is head:
            continue
        if any(part is head for part in child.modules()):
            yield from rest_of(child, head)
        else:
            yield child


def depended_on(head: nn.Module, classes: Sequence[int]) -> dict[nn.Parameter, Tensor]:
    """For each parameter of ``head`` which of its numbers the logits of ``classes`` depend on: bool, same shape.

    They are those with a gradient: the rows of the classes in any head, and what all classes share, such as
    the scale of a cosine head.
    """
    parameters = list(head.parameters())
    nothing = {parameter: torch.zeros_like(parameter, dtype=torch.bool) for parameter in parameters}
    if not classes or not parameters:
        return nothing
    size = head.feature_size if isinstance(head, Head) else parameters[0].shape[1]
    asked = [parameter.requires_grad for parameter in parameters]
    head.requires_grad_(True)
    # Several probes, each with no zero in it, so that no dependence is missed by chance.
    probes = torch.randn(4, int(size), generator=torch.Generator().manual_seed(0))
    with torch.enable_grad():
        said = head(probes.to(parameters[0]))[:, list(classes)]
        weights = torch.randn(said.shape, generator=torch.Generator().manual_seed(1)).to(said)
        found = torch.autograd.grad((said * weights).sum(), parameters, allow_unused=True)
    for parameter, flag in zip(parameters, asked, strict=True):
        parameter.requires_grad_(flag)
    pairs = zip(parameters, found, strict=True)
    return nothing | {parameter: gradient != 0 for parameter, gradient in pairs if gradient is not None}


@contextmanager
def own_rows(head: nn.Module, new: Sequence[int], old: Sequence[int]) -> Iterator[list[nn.Parameter]]:
    """Inside, the parameters in which ``new`` classes have something of their own; all else is put back afterwards.

    No optimiser has to know: momentum and weight decay move numbers that have no gradient, too.
    """
    mine, shared = depended_on(head, new), depended_on(head, old)
    trained = {parameter: mask & ~shared[parameter] for parameter, mask in mine.items()}
    trained = {parameter: mask for parameter, mask in trained.items() if bool(mask.any())}
    before = {parameter: parameter.detach().clone() for parameter in trained}
    yield list(trained)
    with torch.no_grad():
        for parameter, mask in trained.items():
            parameter.copy_(torch.where(mask, parameter, before[parameter]))
