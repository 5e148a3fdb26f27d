"""lifelong_kd: continual learning in which earlier models teach later ones.

Names are looked up when they are first used, so that ``import lifelong_kd`` costs nothing:

>>> import lifelong_kd
>>> "load_config" in dir(lifelong_kd)
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lifelong_kd.config.build import build
    from lifelong_kd.config.load import Config, load_config
    from lifelong_kd.core.errors import BadCall, ConfigError, LifelongError
    from lifelong_kd.export import load_network
    from lifelong_kd.training.experiment import Experiment
    from lifelong_kd.training.plugin import plugin
    from lifelong_kd.training.results import Results

__all__ = [
    "BadCall",
    "Config",
    "ConfigError",
    "Experiment",
    "LifelongError",
    "Results",
    "__version__",
    "build",
    "load_config",
    "load_network",
    "plugin",
]

_HOMES = {
    "BadCall": "lifelong_kd.core.errors",
    "Config": "lifelong_kd.config.load",
    "ConfigError": "lifelong_kd.core.errors",
    "Experiment": "lifelong_kd.training.experiment",
    "LifelongError": "lifelong_kd.core.errors",
    "Results": "lifelong_kd.training.results",
    "build": "lifelong_kd.config.build",
    "load_config": "lifelong_kd.config.load",
    "load_network": "lifelong_kd.export",
    "plugin": "lifelong_kd.training.plugin",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lifelong_kd' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
