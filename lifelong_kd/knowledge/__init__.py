"""WHAT is transferred: per-sample losses between what the student says and what the teacher says."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "knowledge",
    {
        "kd": "lifelong_kd.knowledge.kd:Kd",
        "bce": "lifelong_kd.knowledge.bce:Bce",
        "mse": "lifelong_kd.knowledge.mse:Mse",
    },
)
register = registry.register
