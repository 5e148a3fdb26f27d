"""The loop: the Avalanche plugin, the engine, checkpoints, and Avalanche's own strategies in the same engine."""

from lifelong_kd.core.registry import Registry
from lifelong_kd.strategy import registry as strategies
from lifelong_kd.training.avalanche_names import NAMES

optimizers = Registry(
    "optimizer",
    {
        "adam": "lifelong_kd.training.optimizer:adam",
        "adamw": "lifelong_kd.training.optimizer:adamw",
        "sgd": "lifelong_kd.training.optimizer:sgd",
    },
)

for _name in NAMES:
    strategies.add(f"avalanche/{_name}", f"lifelong_kd.training.avalanche_strategy:{_name}", owner="avalanche-lib")
