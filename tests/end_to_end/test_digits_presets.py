"""Every strategy has a preset on handwritten digits, in which it forgets less than plain fine-tuning does."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.config.build import build
from lifelong_kd.config.load import Config, load_config
from lifelong_kd.strategy import registry
from lifelong_kd.training.families import registry as families

PRESETS = Path(__file__).parents[2] / "configs" / "split_digits"
# Scores beyond the accuracy matrix are not looked at here, and take longer than the training.
ALONE = [f"evaluation.{family}=false" for family in families.names()]
QUIET = ["tracking.wandb.mode=disabled", "tracking.console=off", "seed=0", *ALONE]
MARGIN = 0.02
# LFL is for tasks that show the same classes in another way. Digits have no such tasks, and it gains a point there.
SMALLER = {"lfl": 0.01}
# Enough to be better by far; the whole preset takes four times as long.
SHORTER = {
    **dict.fromkeys(("bir", "dgr", "dgr_distill"), ("training.epochs=15",)),
    **dict.fromkeys(("abd", "deep_inversion", "r_dfcil"), ("strategy.generator.iterations=100",)),
}
OURS = sorted(
    entry.name
    for entry in registry
    if entry.owner == "lifelong_kd" and not entry.name.startswith("avalanche/")
)


def overrides(preset: str) -> list[str]:
    return [*QUIET, *SHORTER.get(preset, ())]


def accuracy(config: Config, folder: Path) -> float:
    experiment = build(config)
    # Drawing them takes a third of such a short run.
    experiment.plots = False
    return float(experiment.run(folder / "run")["average_accuracy"])


@functools.cache
def fine_tuned(preset: str) -> float:
    """The accuracy of plain fine-tuning on the same stream, with the same student and training."""
    plain = [text for text in overrides(preset) if not text.startswith("strategy.")]
    config = load_config(PRESETS / f"{preset}.yaml", [*plain, "strategy=naive"])
    with tempfile.TemporaryDirectory() as folder:
        return accuracy(config, Path(folder))


def alike(name: str) -> str:
    """The first preset whose settings are the same but for the strategy, so that fine-tuning is run once for all."""

    def rest(preset: str) -> dict[str, Any]:
        settings = load_config(PRESETS / f"{preset}.yaml", overrides(preset)).settings
        return {key: settings[key] for key in ("stream", "model", "optimizer", "training")}

    return next(other for other in OURS if (PRESETS / f"{other}.yaml").exists() and rest(other) == rest(name))


@pytest.mark.parametrize("name", [name for name in OURS if name != "naive"])
def test_it_is_better_than_fine_tuning(name: str, tmp_path: Path) -> None:
    config = load_config(PRESETS / f"{name}.yaml", overrides(name))
    assert config.settings["strategy"]["name"] == name
    assert accuracy(config, tmp_path) > fine_tuned(alike(name)) + SMALLER.get(name, MARGIN)
