"""Freezing the stages up to one."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.build import build_network
from lifelong_kd.phase.freeze import Freeze
from tests.phase.rooms import TASKS, driver, moved, weights


def test_the_stages_up_to_one_stay_and_those_behind_learn() -> None:
    torch.manual_seed(0)
    network = build_network((5,), 6, model=("mlp", {"hidden": [8, 7], "batch_norm": True}))
    run = driver(network, Freeze(part="backbone", upto="layer1"))
    run.learn(TASKS[0])
    before = weights(network)
    run.learn(TASKS[1])
    changed = moved(before, network)
    assert not any("layer1" in name for name in changed)
    assert {name for name in before if "layer1" not in name} == changed


def test_a_stage_that_is_not_there_and_one_of_the_head_are_refused() -> None:
    with pytest.raises(BadCall, match="'upto' names a stage of the backbone"):
        Freeze(part="head", upto="layer1")
    network = build_network((5,), 6, model=("mlp", {"hidden": [8]}))
    run = driver(network, Freeze(part="backbone", upto="layer9"))
    run.learn(TASKS[0])
    with pytest.raises(BadCall, match="cannot be entered at 'layer9'"):
        run.begin(TASKS[1])
