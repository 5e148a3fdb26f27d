"""One run of a configuration in this process, without W&B, console or a folder that stays."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.config.build import build
from lifelong_kd.config.load import Config, load_config

ROOT = Path(__file__).parents[2]
QUIET = ("tracking.wandb.mode=disabled", "tracking.console=off")


def load(config: Path, overrides: Sequence[str]) -> Config:
    """The configuration with ``overrides``, told to be quiet; every key is checked."""
    return load_config(config, [*QUIET, *overrides])


def run(config: Config, prepare: Sequence[Callable[[Any], None]] = ()) -> dict[str, Any]:
    """Results of the run, as ``results.json`` has them.

    Args:
        config: from :func:`load`.
        prepare: called in turn with the experiment before it starts.
    """
    experiment = build(config)
    for change in prepare:
        change(experiment)
    with tempfile.TemporaryDirectory() as folder:
        results = experiment.run(Path(folder) / "run")
        return dict(results)
