"""A weight that makes a term's gradient as large as the task loss's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.base import Wrapping

__all__ = ["GradientRatio"]


class GradientRatio(Wrapping):
    """Ratio of gradients, w * r with r the running mean of scale * |g_task| / |g_term|, each ratio at most ``maximum``.

    Both gradients are those of the unweighted losses with respect to the student's parameters. The ratio is that of
    Esser, Rombach, Ommer, "Taming Transformers" (2021, arXiv 2012.09841, equation 7), who take it at the decoder's last
    layer, without a mean, and at most 1e4. Before the first measurement the weight is w. A measurement in which the
    term has no gradient, as at the first step of a student that still is its teacher, says nothing and is left out.

    Each measurement costs two further backward passes; ``every`` saves most of them.

    Args:
        of: the weight w that is multiplied: a schedule, a number, or a list with one number a task.
        scale: size of the weighted term's gradient, the task loss's being 1; at least 0.
        maximum: the largest ratio, above 0.
        momentum: share of the mean that a measurement leaves in place, in [0, 1); 0 takes the last ratio as it is.
        every: steps from one measurement to the next, at least 1.
    """

    adaptive: ClassVar[bool] = True

    def __init__(
        self,
        *,
        of: Annotated[object, Component("schedule")] = 1.0,
        scale: float = 1.0,
        maximum: float = 100.0,
        momentum: float = 0.9,
        every: int = 10,
    ) -> None:
        super().__init__(of)
        if not 0 <= scale < math.inf:
            raise BadCall(f"scale must be at least 0 and finite, got {scale}")
        if not 0 < maximum < math.inf:
            raise BadCall(f"maximum must be above 0 and finite, got {maximum}")
        if not 0 <= momentum < 1:
            raise BadCall(f"momentum must lie in [0, 1), got {momentum}")
        if every < 1:
            raise BadCall(f"every must be at least 1 step, got {every}")
        self.scale, self.maximum, self.momentum, self.every = scale, maximum, momentum, every
        self.ratio: float | None = None

    def __call__(self, moment: Moment) -> float:
        weight = self.of(moment)
        return weight if self.ratio is None else weight * self.ratio

    def wants(self, step: int) -> bool:
        return step % self.every == 0

    def observe(self, task_norm: float, term_norm: float) -> None:
        if not (math.isfinite(task_norm) and 0 < term_norm < math.inf):
            return
        # The quotient of a tiny norm may be infinite, and is cut like every large one.
        found = min(self.scale * (task_norm / term_norm), self.maximum) if self.scale else 0.0
        self.ratio = found if self.ratio is None else self.momentum * self.ratio + (1 - self.momentum) * found

    def state_dict(self) -> dict[str, Any]:
        return {"ratio": self.ratio}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        ratio = state["ratio"]
        self.ratio = float(ratio) if ratio is not None else None
