"""The last and the best value of every score over the whole life of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lifelong_kd.tracking.base import number
from lifelong_kd.tracking.wandb.keys import best_of, find

__all__ = ["Best"]


class Best:
    """Follows the scores: the SDK knows only those since its last start.

    >>> best = Best()
    >>> best.see({"score/forgetting": 0.1, "train/loss": 2.0})
    >>> best.see({"score/forgetting": 0.3})
    >>> best.summary()
    {'score/forgetting': {'last': 0.3, 'min': 0.1}}
    """

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float]] = {}

    def see(self, values: Mapping[str, Any]) -> None:
        """Values that were logged, whatever their keys."""
        for key, given in values.items():
            known = find(key)
            value: Any = number(given)
            if known is None or not known.best or not isinstance(value, int | float) or math.isnan(value):
                continue
            name = best_of(key)
            best = {}
            if name is not None:
                before = self._values.get(key, {}).get(name, value)
                best = {name: (min if name == "min" else max)(before, value)}
            self._values[key] = {"last": value, **best}

    def summary(self) -> dict[str, dict[str, float]]:
        """What the run's summary should say, as the SDK writes it."""
        return {key: dict(value) for key, value in self._values.items()}
