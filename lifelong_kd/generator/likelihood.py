"""How samples are told from their reconstruction, and which samples a generator can model at all."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import TaskData

__all__ = ["Likelihood", "as_float", "check_samples", "fitting", "observed", "reconstruction"]

Likelihood = Literal["auto", "bernoulli", "gaussian"]
"""``bernoulli`` for values in [0, 1], such as pixels; ``gaussian`` for any; ``auto``: as the first task's data are."""

LOOKED_AT = 1000
"""Samples of a task whose range is looked at."""


def as_float(raw: Tensor) -> Tensor:
    """Raw samples as the views are made of: uint8 divided by 255, floating point as it is, in single precision."""
    return raw.to(torch.float32).div_(255) if raw.dtype == torch.uint8 else raw.to(torch.float32)


def reconstruction(output: Tensor, x: Tensor, likelihood: Likelihood) -> Tensor:
    """The negative log-likelihood of samples, mean over their entries, without its constant.

    ``bernoulli``: ``-x log s - (1 - x) log(1 - s)`` with ``s = sigmoid(output)``; ``gaussian``: ``(x - output)^2 / 2``.

    Args:
        output: what a decoder says, shape (batch, ...).
        x: the samples, the same shape.
        likelihood: ``bernoulli`` or ``gaussian``.

    Returns:
        Shape (batch,).
    """
    if likelihood == "bernoulli":
        losses = F.binary_cross_entropy_with_logits(output, x, reduction="none")
    else:
        losses = F.mse_loss(output, x, reduction="none") / 2
    return losses.flatten(1).mean(dim=1)


def observed(output: Tensor, likelihood: Likelihood) -> Tensor:
    """The mean of the samples that a decoder's output stands for."""
    return torch.sigmoid(output) if likelihood == "bernoulli" else output


def check_likelihood(likelihood: str) -> None:
    """Refuse a word that is none.

    Raises:
        BadCall: saying which there are.
    """
    if likelihood not in get_args(Likelihood):
        raise BadCall(f"likelihood is {', '.join(map(repr, get_args(Likelihood)))}; not {likelihood!r}")


def check_samples(name: str, likelihood: Likelihood, data: TaskData) -> None:
    """Refuse samples that no generator of ours can make: integers, such as tokens, and values a Bernoulli has not.

    Raises:
        BadCall: saying what would do.
    """
    raw = _some(data)
    if not data.plain(raw[:1]).is_floating_point():
        raise BadCall(
            f"the generator {name!r} makes samples of real numbers, and this stream's are integers"
            f" ({str(raw.dtype).removeprefix('torch.')}), such as tokens or bytes of text: replay inside the network"
            " instead, with the strategy 'latent_replay'"
        )
    if likelihood == "bernoulli" and not _in_unit_range(raw):
        low, high = float(raw.min()), float(raw.max())
        raise BadCall(
            f"the generator {name!r} with likelihood 'bernoulli' makes values in [0, 1], and this stream's lie in"
            f" [{low:.4g}, {high:.4g}]: set its likelihood to 'gaussian'"
        )


def fitting(likelihood: Likelihood, data: TaskData) -> Likelihood:
    """The likelihood that ``auto`` stands for, or the one that was chosen."""
    if likelihood != "auto":
        return likelihood
    return "bernoulli" if _in_unit_range(_some(data)) else "gaussian"


def _some(data: TaskData) -> Tensor:
    return data.raw(torch.arange(min(len(data.targets), LOOKED_AT)))


def _in_unit_range(raw: Tensor) -> bool:
    return raw.dtype == torch.uint8 or bool(((raw >= 0) & (raw <= 1)).all())
