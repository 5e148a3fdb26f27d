"""A term of weight 0 is as good as no term: the run ends with the same weights, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifelong_kd.model.freeze import digest
from lifelong_kd.schedule.constant import Constant
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.testing.small import small_experiment
from tests.conformance import table

MAKERS = {name: (scenario, make, how) for name, scenario, make, how in reversed(table.strategy_makers())}
WITH_TERMS = sorted(name for name, (_, make, _) in MAKERS.items() if make().terms)


def ends(strategy: Strategy, name: str, folder: Path) -> str:
    scenario, _, how = MAKERS[name]
    experiment = small_experiment(strategy, scenario=scenario, epochs=1, **how)
    experiment.run(folder)
    return digest(experiment.engine.model)


@pytest.mark.parametrize("name", WITH_TERMS)
def test_a_term_of_weight_0_is_no_term(name: str, tmp_path: Path) -> None:
    _, make, _ = MAKERS[name]
    silenced, without, whole = make(), make(), make()
    for term in silenced.terms.values():
        term.weight = Constant(weight=0.0)
    without.terms.clear()
    ended = ends(silenced, name, tmp_path / "silenced")
    assert ended == ends(without, name, tmp_path / "without")
    assert ended != ends(whole, name, tmp_path / "whole")
