"""What the student is fitted to: the teacher's whole distribution or its choice, with or without noise."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.bce import Bce
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.knowledge.options import chosen, not_negative
from lifelong_kd.knowledge.zscore import Zscore

__all__ = ["Target", "check_target", "hardened", "perturbed"]

Target = Literal["soft", "hard"]
"""Whether a term fits the teacher's distribution or the class that it finds most likely."""


def hardened(teacher: Tensor) -> Tensor:
    """The class that the teacher finds most likely among the compared ones, the first of those that are equal.

    ``h_c = 0 at c = argmax z, -inf elsewhere``: a softmax of them is one-hot at any temperature, so that ``kd`` and
    ``ce`` at temperature 1 are the cross-entropy with the teacher's label, as generated samples are labelled in Deep
    Generative Replay (Shin et al. 2017, arXiv 1705.08690).

    Args:
        teacher: logits, shape (batch, columns); NaN is a column that it does not have, and stays one.

    Returns:
        The same shape.

    >>> hardened(torch.tensor([[1.0, 3.0, 2.0]]))
    tensor([[-inf, 0., -inf]])
    """
    unknown = teacher.isnan()
    if teacher.shape[1] == 0:
        return teacher.clone()
    top = teacher.masked_fill(unknown, -torch.inf).argmax(dim=1, keepdim=True)
    return torch.full_like(teacher, -torch.inf).scatter(1, top, 0.0).masked_fill(unknown, torch.nan)


def perturbed(teacher: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """The teacher's logits with Gaussian noise, ``z + noise * e`` with ``e ~ N(0, 1)``, drawn on the CPU.

    A noisy teacher regularises its student (Sau and Balasubramanian 2016, arXiv 1610.09650, whose noise multiplies the
    logits instead; added noise does not depend on their offset, which means nothing). A column without probability
    keeps none.

    Args:
        teacher: logits, shape (batch, columns).
        noise: standard deviation of what is added to each logit, at least 0.
        generator: what is drawn from.

    Returns:
        The same shape.
    """
    drawn = torch.randn(teacher.shape, generator=generator).to(device=teacher.device, dtype=teacher.dtype)
    return teacher + noise * drawn


def check_target(target: str, noise: float, knowledge: Knowledge) -> None:
    """Refuse a target that a knowledge cannot be fitted to.

    Raises:
        BadCall: for an unknown target, a negative noise, a knowledge of something else than logits; for a hard one also
            with a knowledge of other things than a softmax of them, or at a temperature.
    """
    chosen("target", target, get_args(Target))
    not_negative("target_noise", noise)
    name = type(knowledge).__name__
    if (target == "hard" or noise) and knowledge.needs != {"logits"}:
        raise BadCall(
            f"{name} compares {' and '.join(sorted(knowledge.needs))}: 'target' and 'target_noise' are about logits"
        )
    if target == "soft":
        return
    if isinstance(knowledge, Bce | L1 | Mse | Zscore):
        # A sigmoid of 0 is one half, not the label; the others are infinitely far from, or always at, minus infinity.
        raise BadCall(
            f"target='hard' is a one-hot distribution, and {name} compares no softmax of logits; use a knowledge that"
            " does, such as kd with temperature 1"
        )
    temperature = getattr(knowledge, "temperature", 1.0)
    if temperature != 1.0:
        raise BadCall(
            f"target='hard' has no softness that a temperature could bring out, and {name} has temperature"
            f" {temperature:g}: set its temperature to 1, and the term is the cross-entropy with the teacher's label"
        )
