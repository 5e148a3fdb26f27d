"""Compression against its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lifelong_kd.config.load import load_config
from lifelong_kd.config.make import make
from lifelong_kd.core.errors import ConfigError
from lifelong_kd.strategy.compress import compress
from tests.strategy.by_hand import NEW, OLD, ce, kl, third_task

LARGE = ("mlp", {"hidden": [24]})


def test_compress_is_its_formula() -> None:
    step = third_task(compress(large=LARGE, weight=0.5, previous=3.0, temperature=2.0, expert_epochs=1))
    said, teacher, previous = step.student(), step.taught("teacher"), step.taught("previous")
    expected = (
        ce(said, step.batch.y, NEW) + 0.5 * 4 * kl(said, teacher, NEW) + 3.0 * 4 * kl(said, previous, OLD)
    )
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_the_last_of_the_chain_teaches() -> None:
    strategy = compress(large=LARGE, assistants=[("mlp", {"hidden": [12]}), ("mlp", {"hidden": [6]})])
    phases: list[Any] = strategy.phases
    assert [phase.teacher.model[1]["hidden"] for phase in phases] == [[24], [12], [6]]
    assert [phase.taught_by for phase in phases] == [None, phases[0].teacher, phases[1].teacher]
    assert strategy.terms["teacher"].teacher is phases[2].teacher
    assert compress(memory=20).train_on == "new_and_memory" and compress(memory=20).task_loss.over == "seen"


CONFIG: dict[str, Any] = {
    "stream": {"name": "split_digits", "experiences": 5},
    "model": {"name": "mlp", "hidden": [16]},
    "strategy": {
        "name": "compress",
        "large": {"name": "mlp", "hidden": [40]},
        "assistants": ["mlp", {"name": "mlp", "hidden": [20]}],
    },
}


def test_models_in_a_configuration_are_checked_now_and_built_later() -> None:
    settings = load_config(CONFIG).settings["strategy"]
    assert settings["large"]["dropout"] == 0.0 and settings["assistants"][0]["hidden"] == [400, 400]
    strategy = make("strategy", settings, key="strategy")
    sizes = [phase.teacher.model for phase in strategy.phases]
    assert [name for name, _ in sizes] == ["mlp"] * 3
    assert [options["hidden"] for _, options in sizes] == [[40], [400, 400], [20]]
    with pytest.raises(ConfigError, match=r"strategy.large.hiden: .* Did you mean 'hidden'"):
        load_config(CONFIG, {"strategy.large.hiden": 3})
    with pytest.raises(ConfigError, match="there is no model called 'mpl'"):
        load_config(CONFIG, {"strategy.large": "mpl"})


def test_compose_says_the_same_in_yaml() -> None:
    strategy = {
        "name": "compose",
        "task_loss": "new",
        "teachers": {
            "large": {"name": "expert", "model": {"name": "mlp", "hidden": [24]}},
            "middle": {"name": "expert", "model": {"name": "mlp", "hidden": [12]}},
        },
        "terms": {
            "teacher": {"teacher": "middle", "knowledge": {"name": "kd", "temperature": 2.0}, "over": "new"},
            "previous": {"teacher": "snapshot", "knowledge": {"name": "kd", "temperature": 2.0}},
        },
        "phases": [
            {"name": "expert", "teacher": "large", "first_task": True, "epochs": 1},
            {"name": "expert", "teacher": "middle", "first_task": True, "epochs": 1, "taught_by": "large"},
        ],
    }
    composed = make("strategy", load_config({**CONFIG, "strategy": strategy}).settings["strategy"])
    preset = compress(large=LARGE, assistants=[("mlp", {"hidden": [12]})], expert_epochs=1)
    totals = [float(third_task(one).total.detach()) for one in (composed, preset)]
    assert totals[0] == totals[1] and torch.tensor(totals).isfinite().all()
