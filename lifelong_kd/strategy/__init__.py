"""HOW teachers, knowledge, memory and head combine: one file a published method."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "strategy",
    {
        "der": "lifelong_kd.strategy.der:der",
        "derpp": "lifelong_kd.strategy.derpp:derpp",
        "icarl": "lifelong_kd.strategy.icarl:icarl",
        "joint": "lifelong_kd.strategy.joint:joint",
        "lwf": "lifelong_kd.strategy.lwf:lwf",
        "naive": "lifelong_kd.strategy.naive:naive",
        "replay": "lifelong_kd.strategy.replay:replay",
    },
)
register = registry.register
