"""The cosine head of LUCIR: logits are scaled cosines, so that new classes do not win by the length of their rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.head import Head, fresh_rows, with_rows

__all__ = ["CosineHead", "cosine"]


def cosine(
    feature_size: int, classes: int, *, sigma: float = 1.0, learn_sigma: bool = True, grow: bool = False
) -> CosineHead:
    """Cosine head (LUCIR): logits = sigma * cos(f, w), one sigma for all classes.

    Paper: Hou, Pan, Loy, Wang, Lin, "Learning a Unified Classifier Incrementally via Rebalancing" (CVPR 2019),
    section 3.2. Rows are drawn uniformly in +-1/sqrt(feature_size) and sigma starts at 1, as in its code. That code
    keeps the rows of old and of new classes in two matrices (its split cosine layer) under one sigma, which gives the
    same logits and gradients as the one matrix here.

    Args:
        sigma: what sigma starts at, above 0.
        learn_sigma: whether sigma is learned; otherwise it stays.
        grow: start without columns and grow to the largest class seen plus one. Otherwise all classes have their
            columns from the start.

    Raises:
        BadCall: if sigma is not above 0.

    >>> cosine(8, 10)(torch.ones(2, 8)).shape
    torch.Size([2, 10])
    """
    if not sigma > 0:
        raise BadCall(f"sigma must be above 0, found {sigma}.")
    return CosineHead(feature_size, classes, sigma=sigma, learn_sigma=learn_sigma, grow=grow)


class CosineHead(Head):
    """Features (B, D) to logits (B, width): ``weight`` is (width, D), ``sigma`` a scalar.

    A feature or row of length 0 has the cosine 0 with everything.
    """

    sigma: Tensor

    def __init__(
        self, feature_size: int, classes: int, *, sigma: float, learn_sigma: bool, grow: bool
    ) -> None:
        super().__init__()
        self.feature_size = feature_size
        self.limit = None if grow else classes
        weight, _ = fresh_rows(0 if grow else classes, feature_size, bias=False)
        self.weight = nn.Parameter(weight)
        self.start = float(sigma)
        value = torch.tensor(self.start)
        if learn_sigma:
            self.sigma = nn.Parameter(value)
        else:
            self.register_buffer("sigma", value)

    @property
    def width(self) -> int:
        return len(self.weight)

    def grow(self, classes: Sequence[int], label: int) -> bool:
        missing = self.rows_needed(classes, limit=self.limit) - self.width
        if missing <= 0:
            return False
        self.weight = with_rows(self.weight, fresh_rows(missing, self.feature_size, bias=False)[0])
        return True

    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.weight.copy_(fresh_rows(self.width, self.feature_size, bias=False)[0])
        self.sigma.fill_(self.start)

    def forward(self, features: Tensor) -> Tensor:
        return self.sigma * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))
