"""The loop: the Avalanche plugin, the engine, checkpoints, and Avalanche's own strategies in the same engine."""

from lifelong_kd.core.registry import Registry
from lifelong_kd.strategy import registry as strategies
from lifelong_kd.training.avalanche.names import TARGETS

optimizers = Registry(
    "optimizer",
    {
        "adam": "lifelong_kd.training.optimizer:adam",
        "adamw": "lifelong_kd.training.optimizer:adamw",
        "sgd": "lifelong_kd.training.optimizer:sgd",
    },
)

for _name, _target in TARGETS.items():
    strategies.add(f"avalanche/{_name}", _target, owner="avalanche-lib")
