"""The nearest mean of exemplars against its loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.types import Batch
from lifelong_kd.correction.base import Asked
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.memory.base import Memory
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.strategy.base import Strategy
from tests.reference import memories as slow
from tests.strategy.driver import Driver, linear, tasks_of


def describe(raw: Tensor) -> tuple[Tensor, Tensor]:
    """A student whose features of an empty picture are not nothing; its logits are never looked at."""
    return torch.full((len(raw), 6), torch.nan), raw + 1.0


def filled(classes: list[int], memory: Memory | None = None) -> Memory:
    memory = Reservoir(capacity=len(classes)) if memory is None else memory  # an empty memory is false
    y = torch.tensor(classes)
    rng = torch.Generator().manual_seed(0)
    # Of different lengths, so that normalising first matters.
    raw = torch.randn(len(y), 4, generator=rng) * torch.arange(1, len(y) + 1)[:, None]
    memory.observe(Batch(x=raw, y=y, label=y, raw=raw), torch.zeros(len(y), 2), rng)
    return memory


def exemplars(memory: Memory) -> dict[int, list[list[float]]]:
    found: dict[int, list[list[float]]] = {}
    kept = memory.take(torch.arange(len(memory)))
    for raw, y in zip(kept["raw"].tolist(), kept["y"].tolist(), strict=True):
        found.setdefault(y, []).append([value + 1.0 for value in raw])
    return found


def asked(features: Tensor) -> Asked:
    return Asked(
        x=features,
        label=torch.zeros(len(features), dtype=torch.int64),
        task=tasks_of([(0, 1)])[0],
        features=lambda: features,
        answer=lambda module: features,
    )


@pytest.mark.parametrize("queries", [1, 40])  # torch measures more than 25 distances in another way
def test_it_is_the_loop(queries: int) -> None:
    memory = filled([0, 0, 0, 2, 2, 5, 5, 5, 5])
    rule = NearestMean()
    rule.update(memory, describe)
    features = 3 * torch.randn(queries, 4, generator=torch.Generator().manual_seed(1))
    scores = rule.scores(torch.zeros(queries, 7), asked(features))
    assert scores.shape == (queries, 7)
    for row, query in zip(scores.tolist(), features.tolist(), strict=True):
        expected = slow.nearest_mean(query, exemplars(memory))
        assert {c: -row[c] for c in (0, 2, 5)} == pytest.approx(expected, abs=1e-5)
        assert [row[c] for c in (1, 3, 4, 6)] == [-torch.inf] * 4
        assert max(range(7), key=row.__getitem__) == min(expected, key=expected.__getitem__)


def test_a_reservoir_that_is_not_full_counts_only_what_it_holds() -> None:
    classes = [0, 0, 1, 1, 1]
    exact, roomy = NearestMean(), NearestMean()
    exact.update(filled(classes), describe)
    roomy.update(filled(classes, Reservoir(capacity=100)), describe)
    assert exact.means is not None and roomy.means is not None
    torch.testing.assert_close(roomy.means, exact.means)


def test_without_exemplars_the_logits_decide() -> None:
    rule = NearestMean()
    strategy = Strategy(memory=Herding(total=1), corrections=[rule])
    rule.update(Herding(total=1), describe)
    logits = torch.tensor([[1.0, 2.0]])
    assert not rule.ready
    assert strategy.predict(logits, asked(logits)) is logits
    with pytest.raises(RuntimeError, match="no class means"):
        rule.distances(logits, 2)


def test_a_strategy_predicts_by_it_between_tasks_only() -> None:
    rule = NearestMean()
    driver = Driver(Strategy(memory=Herding(total=8), corrections=[rule]), linear(4))
    first, second = tasks_of([(0, 3), (1, 2)])
    logits = torch.tensor([[9.0, 0.0, 0.0, 0.0]])
    x = torch.randn(1, 5, generator=torch.Generator().manual_seed(3))
    driver.begin(first)
    assert driver.strategy.predict(logits, driver.asked(x)) is logits
    driver.end()
    assert torch.equal(driver.strategy.predict(logits, driver.asked(x)), rule.distances(x, 4))
    driver.begin(second)
    assert driver.strategy.predict(logits, driver.asked(x)) is logits, (
        "it knows nothing of the new classes yet"
    )
    driver.end()
    said = driver.strategy.predict(logits, driver.asked(x))
    assert said.isfinite().all()


def test_a_restart_restores_it() -> None:
    first, second = NearestMean(), NearestMean()
    second.load_state_dict(first.state_dict())
    assert not second.ready
    first.update(filled([3, 3, 1]), describe)
    second.load_state_dict(first.state_dict())
    query = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(first.distances(query, 4), second.distances(query, 4))
