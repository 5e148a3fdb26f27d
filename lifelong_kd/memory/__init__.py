"""What is kept of earlier tasks, and how it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lifelong_kd.core.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from lifelong_kd.memory.base import Memory

registry = Registry(
    "memory",
    {
        "balanced": "lifelong_kd.memory.exemplars:Balanced",
        "balanced_reservoir": "lifelong_kd.memory.reservoir:BalancedReservoir",
        "herding": "lifelong_kd.memory.exemplars:Herding",
        "kmeans": "lifelong_kd.memory.kmeans:KMeans",
        "random": "lifelong_kd.memory.random:Random",
        "reservoir": "lifelong_kd.memory.reservoir:Reservoir",
    },
)
register = registry.register

shorthand = (int,)
"""A plain number stands for a memory of that many samples in total, of the strategy's usual kind."""


def as_memory(
    value: object, kind: Literal["reservoir", "herding", "balanced", "random"] = "reservoir"
) -> Memory:
    """The memory that ``value`` stands for: a memory itself, or a number of samples kept in total."""
    from lifelong_kd.memory.base import Memory
    from lifelong_kd.memory.exemplars import Balanced, Herding
    from lifelong_kd.memory.random import Random
    from lifelong_kd.memory.reservoir import Reservoir

    if isinstance(value, Memory):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if kind == "reservoir":
            return Reservoir(capacity=value)
        kinds: dict[str, Callable[..., Memory]] = {"herding": Herding, "balanced": Balanced, "random": Random}
        return kinds[kind](total=value)
    raise TypeError(f"a memory is a number of samples or a memory, not {value!r}")
