"""The weights of R-DFCIL, which follow how hard a task is and how much there is to keep."""

from __future__ import annotations

import math

from lifelong_kd.core.types import Moment
from lifelong_kd.schedule.ratio import _Scaled

__all__ = ["LogSqrt", "PerLogSqrt"]


class LogSqrt(_Scaled):
    """``scale * a * b``, a = log2(n / 2 + 1), b = sqrt(o / n): distillation in R-DFCIL.

    It grows with the number n of new classes and with the ratio of old to new ones, and is 0 in the first task.

    Paper: Gao et al. 2022, "R-DFCIL: Relation-Guided Representation Learning for Data-Free Class Incremental Learning",
    arXiv 2203.13104, whose code has scale 0.15 on generated samples and 0.5 on new ones.

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        if not moment.new:
            return 0.0
        return self.scale * math.log2(moment.new / 2 + 1) * math.sqrt(moment.old / moment.new)


class PerLogSqrt(_Scaled):
    """``scale * (1 + 1 / a) / b``, a = log2(n / 2 + 1), b = sqrt(o / n): the loss in R-DFCIL; 1 in the first task.

    Paper: Gao et al. 2022, arXiv 2203.13104, whose code has scale 0.5, and the plain loss in the first task.

    Args:
        scale: factor, at least 0.
    """

    def __call__(self, moment: Moment) -> float:
        if not moment.old or not moment.new:
            return 1.0
        return self.scale * (1 + 1 / math.log2(moment.new / 2 + 1)) / math.sqrt(moment.old / moment.new)
