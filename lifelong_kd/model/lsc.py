"""The local similarity classifier of PODNet: a class has several proxies, and the nearest ones speak for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.head import Head, fresh_rows, with_rows

__all__ = ["LSCHead", "lsc"]


def lsc(
    feature_size: int,
    classes: int,
    *,
    proxies: int = 10,
    scale: float = 1.0,
    learn_scale: bool = True,
    sharpness: float = 1.0,
    grow: bool = False,
) -> LSCHead:
    """Local similarity classifier (PODNet): logits = eta * sum_k s_k cos(f, w_k), s = softmax over a class's proxies.

    s_k = exp(g cos(f, w_k)) / sum_i exp(g cos(f, w_i)) over the proxies w_1, ..., w_K of the class, with g the
    ``sharpness``: 1 is the mean weighted as in the paper, a large g the nearest proxy alone.

    Paper: Douillard, Cord, Ollion, Robert, Valle, "PODNet" (ECCV 2020, arXiv 2004.13513), equations 8 and 9. Its code
    has minus the squared distance of the normalised vectors, 2 cos - 2, in the place of the cosine: ``sharpness`` 2 and
    ``scale`` 2 with logits lower by 4 and 2 times, the same for all classes, which no softmax sees. Rows are drawn
    uniformly in +-1/sqrt(feature_size).

    Args:
        proxies: how many a class has, K; with 1 this is the ``cosine`` head.
        scale: what eta starts at, above 0; shared by all classes.
        learn_scale: whether eta is learned; otherwise it stays.
        sharpness: factor g within the softmax over a class's proxies, at least 0; 0 is their plain mean.
        grow: start without columns and grow to the largest class seen plus one. Otherwise all classes have their
            columns from the start.

    Raises:
        BadCall: if an option is out of range.

    >>> lsc(8, 10)(torch.ones(2, 8)).shape
    torch.Size([2, 10])
    """
    if proxies < 1:
        raise BadCall(f"a class needs at least 1 proxy, found proxies={proxies}.")
    if not scale > 0:
        raise BadCall(f"scale must be above 0, found {scale}.")
    if not sharpness >= 0:
        raise BadCall(f"sharpness must be at least 0, found {sharpness}.")
    return LSCHead(
        feature_size,
        classes,
        proxies=proxies,
        scale=scale,
        learn_scale=learn_scale,
        sharpness=sharpness,
        grow=grow,
    )


class LSCHead(Head):
    """Features (B, D) to logits (B, width): ``weight`` is (width, proxies, D), ``scale`` a scalar.

    A feature or proxy of length 0 has the cosine 0 with everything.
    """

    scale: Tensor

    def __init__(
        self,
        feature_size: int,
        classes: int,
        *,
        proxies: int,
        scale: float,
        learn_scale: bool,
        sharpness: float,
        grow: bool,
    ) -> None:
        super().__init__()
        self.feature_size = feature_size
        self.proxies = proxies
        self.sharpness = sharpness
        self.limit = None if grow else classes
        self.weight = nn.Parameter(self._fresh(0 if grow else classes))
        self.start = float(scale)
        value = torch.tensor(self.start)
        if learn_scale:
            self.scale = nn.Parameter(value)
        else:
            self.register_buffer("scale", value)

    def _fresh(self, classes: int) -> Tensor:
        rows, _ = fresh_rows(classes * self.proxies, self.feature_size, bias=False)
        return rows.reshape(classes, self.proxies, self.feature_size)

    @property
    def width(self) -> int:
        return len(self.weight)

    def grow(self, classes: Sequence[int], label: int) -> bool:
        missing = self.rows_needed(classes, limit=self.limit) - self.width
        if missing <= 0:
            return False
        self.weight = with_rows(self.weight, self._fresh(missing))
        return True

    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.weight.copy_(self._fresh(self.width))
        self.scale.fill_(self.start)

    def forward(self, features: Tensor) -> Tensor:
        rows = F.normalize(self.weight, dim=2).flatten(0, 1)
        cosines = F.linear(F.normalize(features, dim=1), rows)
        cosines = cosines.unflatten(1, (self.width, self.proxies))
        logits: Tensor = self.scale * (torch.softmax(self.sharpness * cosines, dim=2) * cosines).sum(dim=2)
        return logits
