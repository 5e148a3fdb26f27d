"""Whether two losses pull the same parameters the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["angle", "cosine", "norm"]

Gradients = Sequence[Tensor | None]
"""One gradient a parameter, in the order of the parameters; ``None`` where a loss does not depend on one."""


def norm(gradients: Gradients) -> float:
    """The Euclidean norm of all gradients as one vector.

    >>> import torch
    >>> norm([torch.tensor([3.0]), None, torch.tensor([[4.0]])])
    5.0
    """
    return math.sqrt(_dot(gradients, gradients))


def cosine(first: Gradients, second: Gradients) -> float | None:
    """cos(g, h) = <g, h> / (||g|| ||h||) with all parameters as one vector, in [-1, 1].

    Below 0 a small step for one loss raises the other: the conflicting gradients of Yu et al., "Gradient Surgery for
    Multi-Task Learning" (PCGrad, NeurIPS 2020, arXiv:2001.06782).

    Args:
        first: gradients g, one a parameter.
        second: gradients h of the same parameters in the same order.

    Returns:
        ``None`` where one of the two is zero or not finite, as it has no direction then.

    Raises:
        BadCall: if the two are not of the same parameters.

    >>> import torch
    >>> cosine([torch.tensor([1.0, 0.0])], [torch.tensor([-2.0, 0.0])])
    -1.0
    """
    product, norms = _dot(first, second), norm(first) * norm(second)
    if not (0 < norms < math.inf and math.isfinite(product)):
        return None
    return max(-1.0, min(1.0, product / norms))


def angle(first: Gradients, second: Gradients) -> float | None:
    """The angle between two gradients in degrees: 0 for the same direction, 90 for no effect on each other, 180.

    Arguments, ``None`` and errors as for :func:`cosine`.

    >>> import torch
    >>> angle([torch.tensor([1.0, 0.0])], [torch.tensor([0.0, 3.0])])
    90.0
    """
    found = cosine(first, second)
    return None if found is None else math.degrees(math.acos(found))


def _dot(first: Gradients, second: Gradients) -> float:
    if len(first) != len(second):
        raise BadCall(f"gradients of the same parameters are needed, found {len(first)} and {len(second)}")
    total = 0.0
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            continue
        if one.shape != other.shape:
            raise BadCall(
                "gradients of the same parameters are needed, found shapes"
                f" {tuple(one.shape)} and {tuple(other.shape)}"
            )
        # In double precision: squares of small gradients vanish in single.
        total += float((one.double() * other.double()).sum())
    return total
